"""Which of many 64-bit values occur more than once, by a Bloom filter: a few bytes for each."""

from collections.abc import Iterable
from typing import Final

import numpy as np

from dedup.ngram_filter import NgramFilter

# A value in a thousand is a suspect in vain: 1.9 bytes a value, where sorting takes 8.
_ERROR_RATE: Final = 1e-3
_BATCH: Final = 1 << 20


def seen_twice(values: Iterable[np.ndarray], num_values: int) -> np.ndarray:
    """The values that occur more than once, and in a thousand others one that does not.

    Args:
        values: uint64, in pieces of any size.
        num_values: How many there are in all, at most.

    Returns:
        uint64, ascending. What is in it by error depends on the order of the pieces: count.
    """
    seen = NgramFilter(num_values, _ERROR_RATE, n=1)
    found = [np.empty(0, np.uint64)]
    for piece in values:
        for begin in range(0, len(piece), _BATCH):
            batch = np.sort(piece[begin : begin + _BATCH])
            is_again = np.zeros(len(batch), np.bool_)
            is_again[1:] = batch[1:] == batch[:-1]
            distinct = batch[~is_again]
            found += [batch[is_again], distinct[seen.contains(distinct)]]
            seen.add(distinct)
    return np.unique(np.concatenate(found))
