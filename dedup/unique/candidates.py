"""Which documents may be duplicates at all: those that share a text's hash or a band's key.

One Bloom filter per band, as in LSHBloom (arXiv 2411.04257), says which keys occur more than once;
what it says by error is found out when those few are counted. So the answer is exact, and blind to
order.
"""

from typing import NamedTuple

import numpy as np

from dedup.repeated import seen_twice
from dedup.unique.fingerprints import BANDS
from dedup.unique.line import Line
from dedup.unique.minhash import NO_KEY


class Copies(NamedTuple):
    """Documents whose text an earlier one in line has, too."""

    documents: np.ndarray
    """int64, shape (num_copies,), ascending."""
    originals: np.ndarray
    """int64, shape (num_copies,): for each, the first document in line with its text."""


class Candidates(NamedTuple):
    """Documents that share a band's key with another one, first in line first."""

    documents: np.ndarray
    """int64, shape (num_candidates,)."""
    offsets: np.ndarray
    """int64, shape (num_candidates + 1,): candidate `i` has the shared keys `offsets[i]` to
    `offsets[i + 1]`."""
    keys: np.ndarray
    """int32: the shared keys, numbered from 0 to `num_keys - 1`."""
    num_keys: int


def find_copies(line: Line) -> Copies:
    """Find the exact duplicates among all documents."""
    half = line.column("text_hash_0")
    documents = np.flatnonzero(number_repeated(half)[0] >= 0)
    other_half = line.column("text_hash_1")[documents]
    order = line.in_line(documents)
    # Equal texts side by side, first in line first: lexsort is stable.
    places = np.searchsorted(documents, order)
    grouped = np.lexsort((other_half[places], half[order]))
    order, places = order[grouped], places[grouped]
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = (np.diff(half[order]) != 0) | (np.diff(other_half[places]) != 0)
    originals = order[is_first][np.cumsum(is_first) - 1]
    copies, originals = order[~is_first], originals[~is_first]
    ascending = np.argsort(copies)
    return Copies(copies[ascending], originals[ascending])


def find_candidates(line: Line, copies: np.ndarray) -> Candidates:
    """Find what may be near-duplicates among all documents but the `copies`.

    Memory: 25 bytes a document, and 12 bytes for each shared key of each candidate.
    """
    is_copy = np.zeros(len(line), np.bool_)
    is_copy[copies] = True
    num_shared = np.zeros(len(line), np.uint8)
    bands: list[tuple[np.ndarray, np.ndarray]] = []
    num_keys = 0
    for band in BANDS:
        values = line.column(band)
        values[is_copy] = NO_KEY
        numbers, num_repeated = number_repeated(values)
        documents = np.flatnonzero(numbers >= 0)
        num_shared[documents] += 1
        bands.append((documents.astype(np.uint32), numbers[documents] + np.int32(num_keys)))
        num_keys += num_repeated
    documents = np.flatnonzero(num_shared)
    order = line.in_line(documents)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(num_shared[order], dtype=np.int64)])
    return Candidates(order, offsets, _by_candidate(order, offsets, bands), num_keys)


def number_repeated(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Number the values (uint64) that occur more than once, in ascending order.

    Returns:
        int32 of the same shape: each value's number, -1 for one that is unique or NO_KEY; and how
        many numbers there are.
    """
    suspects = seen_twice([values], len(values))
    if not len(suspects):
        return np.full(len(values), -1, np.int32), 0
    places = np.searchsorted(suspects, values).astype(np.int32)
    places[places == len(suspects)] = 0
    is_suspect = suspects[places] == values
    # The filter's errors are found out here: they occur once.
    is_repeated = np.bincount(places[is_suspect], minlength=len(suspects)) > 1
    is_repeated &= suspects != NO_KEY
    numbers = np.where(is_repeated, np.cumsum(is_repeated) - 1, -1).astype(np.int32)
    return np.where(is_suspect, numbers[places], np.int32(-1)), int(is_repeated.sum())


def _by_candidate(
    order: np.ndarray, offsets: np.ndarray, bands: list[tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """The shared keys of the candidates, in the order of their bands."""
    documents = np.sort(order)
    ranks = np.empty(len(order), np.int64)  # place in line of the k-th candidate by number
    ranks[np.searchsorted(documents, order)] = np.arange(len(order))
    keys = np.empty(offsets[-1], np.int32)
    filled = offsets[:-1].copy()
    for holders, numbers in bands:
        candidates = ranks[np.searchsorted(documents, holders)]
        keys[filled[candidates]] = numbers
        filled[candidates] += 1
    return keys
