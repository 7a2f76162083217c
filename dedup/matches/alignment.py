"""Documents against the index: hits of n-grams grown into maximal runs of the same words."""

from typing import NamedTuple

import numpy as np

from dedup.matches.item_index import ItemIndex
from dedup.matches.kernels import align_kernel, count_kernel
from dedup.ngrams import Ngrams
from dedup.words import Words


class Runs(NamedTuple):
    """Runs of words that a document and a benchmark text share, by document, then by hit."""

    document: np.ndarray
    """Place among the documents given, int64 of shape (num_runs,), as all of these."""
    start: np.ndarray
    """First word, counted in its document."""
    item_start: np.ndarray
    """First word, counted over all words of the index."""
    num_words: np.ndarray


def find_runs(index: ItemIndex, words: Words, ngrams: Ngrams, found: np.ndarray, n: int) -> Runs:
    """All maximal runs of the same word hashes that begin with an n-gram of the index.

    A document's n-gram that a text has at several places is aligned with the place where the run
    gets longest, and a run is told once per text: a document that repeats a text gives a run for
    each time.

    Args:
        index: The benchmark texts.
        words: Of some documents.
        ngrams: Of the same documents.
        found: The index's entry of each of these n-grams, or -1.
        n: Words per n-gram.
    """
    documents = (words.hashes, words.offsets, ngrams.offsets, found)
    items = (index.words, index.text_starts, index.text_at, index.postings, index.posting_starts)
    return Runs(*align_kernel(*documents, *items, n))


def count_documents(found: np.ndarray, ngrams: Ngrams, counts: np.ndarray) -> None:
    """Add 1 to `counts[entry]` for each document that holds the entry's n-gram."""
    count_kernel(found, ngrams.offsets, counts, np.full(len(counts), -1))
