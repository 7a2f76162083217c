"""How many n-grams of each text are found in something: the rows of the overlap table."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

import numpy as np
import pyarrow as pa

from dedup.ngrams import hash_ngrams
from dedup.overlap.summary import OVERLAP
from dedup.overlap.text_sets import Item
from dedup.words import scan_words

Contains = Callable[[np.ndarray], np.ndarray]
"""Which of these n-gram hashes (uint64) are found: bool, of the same shape."""

# Enough texts for the kernels' start to cost nothing, few enough to hold: articles of 20 kB.
_BATCH_ITEMS: Final = 1024


def count_ngrams(texts: pa.Array, n: int) -> int:
    """How many n-grams `texts` have, repeats included."""
    num_words = np.diff(scan_words(texts).offsets)
    return int(np.maximum(num_words - (n - 1), 0).sum())


def measure(slug: str, items: Iterable[Item], n: int, contains: Contains) -> Iterator[dict]:
    """A row of the schema `OVERLAP` per example and part, in their order.

    An n-gram that a text repeats counts as often as it occurs. A part of fewer than `n` words has
    a row without n-grams.

    Args:
        slug: The text set.
        items: Its examples, from the first.
        n: Words per n-gram.
        contains: What is asked about them.
    """
    first = 0
    remaining = iter(items)
    while batch := list(islice(remaining, _BATCH_ITEMS)):
        keys = [(first + i, part) for i, item in enumerate(batch) for part in item]
        texts = pa.array([text for item in batch for text in item.values()], pa.large_string())
        for (example, part), counts in zip(keys, _count(texts, n, contains), strict=True):
            yield dict(zip(OVERLAP.names, (slug, example, part, *counts), strict=True))
        first += len(batch)


def _count(texts: pa.Array, n: int, contains: Contains) -> Iterator[tuple[int, ...]]:
    """(num_words, num_ngrams, num_found) of each text."""
    words = scan_words(texts)
    hashes, offsets = hash_ngrams(words, n)
    num_found_before = np.concatenate([[0], np.cumsum(contains(hashes))])
    columns = (np.diff(words.offsets), np.diff(offsets), np.diff(num_found_before[offsets]))
    return zip(*(column.tolist() for column in columns), strict=True)
