"""Quality presets: which documents are kept, rule by rule, each with its source and its reason.

A rule's name is the reject reason, its thresholds are its keyword arguments; `crawler.documents.
verdict` says what it is given and what it returns. docs/architecture.md shows how to add one.

Sources: GPT-2 (Radford et al. 2019), OpenWebText (Gokaslan and Cohen 2019), Gopher (Rae et al.
2021, appendix A.1.1 and table A1), C4 (Raffel et al. 2020, section 2.2), FineWeb (Penedo et al.
2024, sections 3.3 and 3.6). Where datatrove, the code of FineWeb, differs, a rule says so.
"""

import re
from math import ceil
from typing import Literal
from urllib.parse import urlsplit

from crawler.documents.draft import Draft, repeated
from crawler.documents.verdict import Preset

PresetName = Literal["webtext", "openwebtext", "strict"]

_WIKIPEDIA_SITES = re.compile(
    # The encyclopedia, and the mirrors that the `webtext` list of domains names.
    r"(?:^|\.)(?:wikipedia\.org|wiki2\.org|wikivisually\.com|wikizero\.com|infogalactic\.com"
    r"|wapedia\.mobi)$"
)
_WIKIPEDIA_MARKS = re.compile(
    # The line below its titles, and what its licence makes mirrors say. Every repeat is bounded: a
    # hostile page must not make it quadratic.
    r"^[^\w\n]{0,9}from wikipedia, the free encyclopedia[^\w\n]{0,9}$"
    r"|\b(?:uses|incorporates|includes|contains) (?:material|text|content) from (?:the|this)"
    r" wikipedia article\b"
    r"|^[^\w\n]{0,9}retrieved from [^\w\n]{0,9}https?://[a-z-]{2,20}\.wikipedia\.org/",
    re.IGNORECASE | re.MULTILINE,
)
_TERMINAL = (".", "!", "?", '"', "'", "\u2019", "\u201d")
_ELLIPSES = ("...", "\u2026")
_BULLETS = ("\u2022", "\u2023", "\u25aa", "\u25cf", "\u25e6", "\u00b7", "- ", "* ")
_STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))
_POLICY = re.compile(r"terms of use|(?:privacy|cookie) policy|use(?:s| of)? cookies", re.IGNORECASE)
_MAX_DETAIL_CHARS = 200

NgramLimits = tuple[tuple[int, float], ...]
"""Words of an n-gram, and the largest share of the word characters."""


# GPT-2 and OpenWebText.


def wikipedia(draft: Draft) -> str | None:
    """GPT-2, section 2.1: all Wikipedia documents are removed; a mirror's are the same."""
    for url in draft.urls:
        if _WIKIPEDIA_SITES.search(_host(url)):
            return url[:_MAX_DETAIL_CHARS]
    if "wikipedia" in draft.lower and (mark := _WIKIPEDIA_MARKS.search(draft.text)):
        return " ".join(mark[0].split())[:_MAX_DETAIL_CHARS]
    return None


def not_english(draft: Draft) -> str | None:
    """OpenWebText: English only; GPT-2, section 3.7, says so of WebText, too."""
    return None if draft.language.code == "en" else _language(draft)


def too_few_tokens(
    draft: Draft, *, min_tokens: int = 128, tokens_per_pretoken: float = 1.08
) -> str | None:
    """OpenWebText: at least 128 GPT-2 tokens.

    They are estimated without a vocabulary: on 161 English pages there are 1.08 for each of GPT-2's
    pre-tokens. Of 5,635 beginnings of those pages 152 are judged wrongly, half of them each way.
    """
    is_enough = draft.has_pretokens(ceil(min_tokens / tokens_per_pretoken))
    return None if is_enough else f"fewer than {min_tokens}"


# Gopher: quality.


def too_few_words(draft: Draft, *, min_words: int = 50) -> str | None:
    """Gopher: 50 words at least."""
    return f"{len(draft.words)} words" if len(draft.words) < min_words else None


def too_many_words(draft: Draft, *, max_words: int = 100_000) -> str | None:
    """Gopher: 100,000 words at most."""
    return f"{len(draft.words)} words" if len(draft.words) > max_words else None


def odd_word_length(draft: Draft, *, shortest: float = 3, longest: float = 10) -> str | None:
    """Gopher: words of 3 to 10 characters in the mean; datatrove leaves punctuation out."""
    mean = _share(draft.num_word_chars, len(draft.words))
    return None if shortest <= mean <= longest else f"{mean:.2f} characters"


def too_many_symbols(draft: Draft, *, max_per_word: float = 0.1) -> str | None:
    """Gopher: at most 0.1 hash signs for each word, and at most 0.1 ellipses."""
    num_symbols = max(draft.text.count("#"), sum(map(draft.text.count, _ELLIPSES)))
    per_word = _share(num_symbols, len(draft.words))
    return f"{per_word:.2f} per word" if per_word > max_per_word else None


def too_many_bullets(draft: Draft, *, max_share: float = 0.9) -> str | None:
    """Gopher: at most 90 % of the lines begin with a bullet point."""
    return _above(max_share, _share(_num_starting(draft, _BULLETS), len(draft.lines)))


def too_many_cut_lines(draft: Draft, *, max_share: float = 0.3) -> str | None:
    """Gopher: at most 30 % of the lines end with an ellipsis."""
    return _above(max_share, _share(_num_ending(draft, _ELLIPSES), len(draft.lines)))


def too_few_letters(draft: Draft, *, min_share: float = 0.8) -> str | None:
    """Gopher: at least 80 % of the words have a letter."""
    num_with = sum(word.isalpha() or any(map(str.isalpha, word)) for word in draft.words)
    share = _share(num_with, len(draft.words))
    return f"{share:.2f} of the words" if share < min_share else None


def too_few_stop_words(draft: Draft, *, min_stop_words: int = 2) -> str | None:
    """Gopher: two of the, be, to, of, and, that, have, with."""
    found = _STOP_WORDS.intersection(draft.lower.split())
    return " ".join(["only", *sorted(found)]) if len(found) < min_stop_words else None


# Gopher: repetition.


def duplicate_lines(draft: Draft, *, max_share: float = 0.3) -> str | None:
    """Gopher: at most 30 % of the lines were there before."""
    return _above(max_share, _share(len(repeated(draft.lines)), len(draft.lines)))


def duplicate_paragraphs(draft: Draft, *, max_share: float = 0.3) -> str | None:
    """Gopher: at most 30 % of the paragraphs were there before."""
    return _above(max_share, _share(len(repeated(draft.paragraphs)), len(draft.paragraphs)))


def duplicate_paragraph_chars(draft: Draft, *, max_share: float = 0.2) -> str | None:
    """Gopher: at most 20 % of the characters are in paragraphs that were there before."""
    num_chars = sum(map(len, repeated(draft.paragraphs)))
    return _above(max_share, _share(num_chars, len(draft.text)))


def frequent_ngram(
    draft: Draft, *, limits: NgramLimits = ((2, 0.2), (3, 0.18), (4, 0.16))
) -> str | None:
    """Gopher: at most 20, 18, 16 % of the characters are in the most frequent 2-, 3-, 4-gram.

    (datatrove also takes one that is there once, and of several the first.)
    """
    for n, max_share in limits:
        share = _share(draft.top_ngram_chars(n), draft.num_word_chars)
        if found := _above(max_share, share):
            return f"{n}-gram {found}"
    return None


def duplicate_ngrams(
    draft: Draft,
    *,
    limits: NgramLimits = ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.1)),
) -> str | None:
    """Gopher: at most 15 to 10 % of the characters are in 5- to 10-grams that were there before.

    (datatrove goes on behind each repeated n-gram: of a passage it misses a rest shorter than n.)
    """
    smallest = min(max_share for _, max_share in limits)
    for n, max_share in limits:
        share = _share(draft.repeated_ngram_chars(n), draft.num_word_chars)
        if found := _above(max_share, share):
            return f"{n}-grams {found}"
        # What a repeated 6-gram covers, two repeated 5-grams do: longer ones cannot have more.
        if share <= smallest:
            return None
    return None


# C4. Its bad words are left out: the list that it names takes the texts of minorities away (Dodge
# et al. 2021), and no other has been shown to do better.


def lorem_ipsum(draft: Draft) -> str | None:
    """C4: no page with this phrase."""
    return "lorem ipsum" if "lorem ipsum" in draft.lower else None


def curly_bracket(draft: Draft) -> str | None:
    """C4: no page with a curly bracket, which is code."""
    return "{" if "{" in draft.text else None


def too_few_sentences(draft: Draft, *, min_sentences: int = 3) -> str | None:
    """C4: 3 sentences at least, of the lines that stay; 5 in its first version."""
    return f"{draft.num_sentences} sentences" if draft.num_sentences < min_sentences else None


def clean_unpunctuated(line: str) -> bool:
    """C4: a line ends with a terminal punctuation or end quotation mark, and no ellipsis."""
    return line.endswith(_TERMINAL) and not line.endswith(_ELLIPSES)


def clean_short(line: str, *, min_words: int = 5) -> bool:
    """C4: a line has 5 words at least; 3 in its first version and datatrove."""
    return len(line.split(None, min_words)) >= min_words


def clean_javascript(line: str) -> bool:
    """C4: no line with this word, which asks to switch it on."""
    return "javascript" not in line.lower()


def clean_policy(line: str) -> bool:
    """C4: no line about terms of use, a privacy or cookie policy, or the use of cookies."""
    return not _POLICY.search(line)


# FineWeb.


def not_surely_english(draft: Draft, *, min_confidence: float = 0.65) -> str | None:
    """FineWeb: English with 0.65 at least, of fastText's; ours gives gold English pages 0.88."""
    return None if draft.language.confidence >= min_confidence else _language(draft)


def too_few_punctuated(draft: Draft, *, least: float = 0.12) -> str | None:
    """FineWeb: more than 12 % of the lines end with punctuation."""
    share = _share(_num_ending(draft, _TERMINAL), len(draft.lines))
    return f"{share:.2f}" if share <= least else None


def duplicate_line_chars(draft: Draft, *, most: float = 0.1) -> str | None:
    """FineWeb: less than 10 % of the characters are in lines that were there before.

    (Gopher: at most 20 %. datatrove's default is 1 %.)
    """
    share = _share(sum(map(len, repeated(draft.lines))), sum(map(len, draft.lines)))
    return f"{share:.2f}" if share >= most else None


def too_many_short_lines(draft: Draft, *, chars: int = 30, most: float = 0.67) -> str | None:
    """FineWeb: less than 67 % of the lines are shorter than 30 characters."""
    share = _share(sum(len(line) < chars for line in draft.lines), len(draft.lines))
    return f"{share:.2f}" if share >= most else None


_WEBTEXT = (wikipedia, not_english)
_OPENWEBTEXT = (*_WEBTEXT, too_few_tokens)
_GOPHER = (
    *(too_few_words, too_many_words, odd_word_length, too_many_symbols, too_many_bullets),
    *(too_many_cut_lines, too_few_letters, too_few_stop_words, duplicate_lines),
    *(duplicate_paragraphs, duplicate_paragraph_chars, frequent_ngram, duplicate_ngrams),
)
_C4 = (lorem_ipsum, curly_bracket)
_C4_LINES = (clean_javascript, clean_policy, clean_unpunctuated, clean_short)
_FINEWEB = (not_surely_english, too_few_punctuated, duplicate_line_chars, too_many_short_lines)

PRESETS: dict[PresetName, Preset] = {
    "webtext": Preset(_WEBTEXT),
    "openwebtext": Preset(_OPENWEBTEXT),
    "strict": Preset(
        (*_OPENWEBTEXT, *_C4, *_FINEWEB, *_GOPHER), _C4_LINES, (too_few_words, too_few_sentences)
    ),
}


def _language(draft: Draft) -> str:
    return f"{draft.language.code} {draft.language.confidence:.2f}"


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:  # a page may declare anything
        return ""


def _num_starting(draft: Draft, starts: tuple[str, ...]) -> int:
    return sum(line.startswith(starts) for line in draft.lines)


def _num_ending(draft: Draft, ends: tuple[str, ...]) -> int:
    return sum(line.endswith(ends) for line in draft.lines)


def _share(amount: int, total: int) -> float:
    return amount / total if total else 0.0


def _above(limit: float, share: float) -> str | None:
    return f"{share:.2f}" if share > limit else None
