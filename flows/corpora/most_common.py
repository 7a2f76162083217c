"""The most frequent strings of a column of any length: exact, in 16 bytes a distinct string."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.corpora.compare_documents import hash_values

_MIN_PENDING: Final = 1 << 20


class Ranking(NamedTuple):
    """What is most frequent."""

    top: list[tuple[str, int]]
    """With how often it occurs, most frequent first."""
    num_distinct: int
    """Of all of them."""


def most_common(read: Callable[[], Iterator[pa.Array]], num: int) -> Ranking:
    """Count strings by their hash, then read once more for the names of the most frequent.

    Args:
        read: Gives the column's arrays, each time that it is called; nulls are left out.
        num: How many to name.
    """
    hashes, counts = _count(read())
    best = np.lexsort((hashes, -counts))[:num]
    names: dict[int, str] = {}
    for values in read():
        if len(names) == len(best):
            break
        distinct = values.drop_null().unique()
        found = hash_values(distinct)
        for place in np.flatnonzero(np.isin(found, hashes[best])):
            names[int(found[place])] = distinct[int(place)].as_py()
    top = [(names[int(hashes[place])], int(counts[place])) for place in best]
    return Ranking(sorted(top, key=lambda pair: (-pair[1], pair[0])), len(hashes))


Counts = tuple[np.ndarray, np.ndarray]
"""Hashes (uint64), ascending, and how often each occurs (int64)."""


def _count(arrays: Iterator[pa.Array]) -> Counts:
    total: Counts = np.empty(0, np.uint64), np.empty(0, np.int64)
    pending: list[Counts] = []
    num_pending = 0
    for values in arrays:
        counted = pc.value_counts(values.drop_null())  # pyright: ignore
        pending.append((hash_values(counted.field("values")), counted.field("counts").to_numpy()))
        num_pending += len(counted)
        # Merged when as many wait as are known: few merges, and twice the memory at most.
        if num_pending > max(_MIN_PENDING, len(total[0])):
            total, pending, num_pending = _merge([total, *pending]), [], 0
    return _merge([total, *pending])


def _merge(parts: list[Counts]) -> Counts:
    hashes, counts = (np.concatenate(each) for each in zip(*parts, strict=True))
    distinct, places = np.unique(hashes, return_inverse=True)
    summed = np.zeros(len(distinct), np.int64)
    np.add.at(summed, places, counts)
    return distinct, summed
