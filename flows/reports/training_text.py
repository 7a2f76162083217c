"""Marks what of a text is also in a corpus's training split."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from dedup.matches.spans import to_characters
from dedup.ngram_filter import NgramFilter
from dedup.ngrams import hash_ngrams
from dedup.words import scan_words


@dataclass(frozen=True)
class Piece:
    """A stretch of a text."""

    text: str
    is_found: bool
    """Whether it is in a training document."""


def mark_training_text(texts: Sequence[str], index: NgramFilter) -> list[list[Piece]]:
    """Cut each text where n-grams that the training split has begin and end.

    Args:
        texts: To be looked up.
        index: The n-grams of the training split.
    """
    words = scan_words(pa.array(texts, pa.large_string()), with_spans=True)
    ngrams = hash_ngrams(words, index.n)
    found = index.contains(ngrams.hashes)
    marked = []
    for i, text in enumerate(texts):
        places = np.flatnonzero(found[ngrams.offsets[i] : ngrams.offsets[i + 1]])
        first = words.offsets[i] + places
        starts = to_characters(text, words.starts[first])
        ends = to_characters(text, words.ends[first + index.n - 1])
        spans = list(zip(starts.tolist(), ends.tolist(), strict=True))
        marked.append(list(cut_text(text, spans)))
    return marked


def cut_text(text: str, spans: Sequence[tuple[int, int]]) -> Iterator[Piece]:
    """A text cut at the borders of what `spans`, by their start, cover; they may overlap."""
    end, covered = 0, 0
    for start, stop in spans:
        if start > covered:
            if covered > end:
                yield Piece(text[end:covered], is_found=True)
            yield Piece(text[covered:start], is_found=False)
            end = start
        covered = max(covered, stop)
    if covered > end:
        yield Piece(text[end:covered], is_found=True)
    if covered < len(text):
        yield Piece(text[covered:], is_found=False)
