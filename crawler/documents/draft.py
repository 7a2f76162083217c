"""A document before it is judged, and what quality rules measure on it, each thing found once.

A word is what stands between white space, a line has something in it, paragraphs have blank lines
between them, and a repeated thing counts from its second time on.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from lxml.html import HtmlElement

from crawler.documents.language import Language

_BLANK_LINES = re.compile(r"\n\s*\n")
# What closes a sentence, and the quotation marks and brackets behind it.
_SENTENCE_END = re.compile(r"[.!?][\"')\u2019\u201d]*(?!\S)")
# GPT-2's pre-tokens, without the blank in front of a word, which is no token of its own.
_PRETOKEN = re.compile(r"'(?:s|t|re|ve|m|ll|d)\b|[^\W\d_]+|\d+|[^\w\s]+|_+|\n")
_MAX_DECLARED = 4


@dataclass(frozen=True)
class Draft:
    """A document's text with what is known about it."""

    text: str
    language: Language
    urls: tuple[str, ...] = ()
    """Its address, the one after redirects, and those it gives itself: see `declared_urls`."""

    @cached_property
    def words(self) -> list[str]:
        """Its words, punctuation included."""
        return self.text.split()

    @cached_property
    def num_word_chars(self) -> int:
        """Characters in words: all but white space."""
        return sum(map(len, self.words))

    @cached_property
    def lines(self) -> list[str]:
        """Its lines, without white space at their ends."""
        return [line for part in self.text.split("\n") if (line := part.strip())]

    @cached_property
    def paragraphs(self) -> list[str]:
        """Its paragraphs; a text without blank lines is one."""
        return _BLANK_LINES.split(self.text.strip())

    @cached_property
    def lower(self) -> str:
        """Its text in lower case."""
        return self.text.lower()

    @cached_property
    def num_sentences(self) -> int:
        """Ends of sentences: a point, exclamation or question mark with white space behind it."""
        return sum(1 for _ in _SENTENCE_END.finditer(self.text))

    def has_pretokens(self, num_pretokens: int) -> bool:
        """Whether GPT-2's pre-tokeniser finds that many pieces; reads no more than needed."""
        pieces = _PRETOKEN.finditer(self.text)
        return next(islice(pieces, num_pretokens - 1, None), None) is not None

    def ngrams(self, n: int) -> Iterator[tuple[str, ...]]:
        """All runs of n words."""
        return zip(*(islice(self.words, start, None) for start in range(n)), strict=False)

    def top_ngram_chars(self, n: int) -> int:
        """Word characters in the most frequent n-gram, times how often it is there.

        Of several the one with most characters. One that is there once is no repetition: 0.
        """
        counts = Counter(self.ngrams(n))
        top = max(counts.values(), default=0)
        if top < 2:
            return 0
        return top * max(sum(map(len, gram)) for gram, num in counts.items() if num == top)

    def repeated_ngram_chars(self, n: int) -> int:
        """Word characters in n-grams that were there before; each counts once."""
        seen: set[tuple[str, ...]] = set()
        num_chars = 0
        end = 0  # words before it are counted, or in no repeated n-gram so far
        for start, gram in enumerate(self.ngrams(n)):
            if gram not in seen:
                seen.add(gram)
                continue
            num_chars += sum(map(len, self.words[max(start, end) : start + n]))
            end = start + n
        return num_chars


def repeated(parts: list[str]) -> list[str]:
    """Those that were there before."""
    seen: set[str] = set()
    found = []
    for part in parts:
        if part in seen:
            found.append(part)
        seen.add(part)
    return found


def declared_urls(tree: HtmlElement) -> tuple[str, ...]:
    """The addresses that a page gives as its own, by rel=canonical and og:url; at most four."""
    links = tree.iterfind(".//link[@rel='canonical'][@href]")
    metas = tree.iterfind(".//meta[@property='og:url'][@content]")
    found = [
        *(link.get("href", "") for link in links),
        *(meta.get("content", "") for meta in metas),
    ]
    return tuple(url.strip() for url in found[:_MAX_DECLARED])
