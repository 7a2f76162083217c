"""Judges candidates in line: is most of this document in one that was kept before it?"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numba import njit

from dedup.unique.candidates import Candidates

MAX_SURVIVORS_PER_KEY: Final = 64
"""A document is compared with the first 64 survivors that share one of its keys. More of them
means a template of which thousands of pages are alike, but less than the threshold says: without
a bound each such page would be compared with all others."""

_CHUNK: Final = 4096
_NOBODY: Final = -1


class Texts(NamedTuple):
    """The candidates' texts, by place in line."""

    is_kept: np.ndarray
    """bool: whether it is of a kept corpus, and so survives."""
    shingles: np.ndarray
    """uint32, of all candidates in any order; each one's ascend."""
    starts: np.ndarray
    """int64: where a candidate's shingles begin."""
    ends: np.ndarray
    """int64: the first shingle behind them."""


class _Chains(NamedTuple):
    """The survivors of each key: from its head, entry to entry, -1 at its end."""

    heads: np.ndarray
    """int64, by key."""
    lengths: np.ndarray
    """uint16, by key."""
    following: np.ndarray
    """int64, by entry: an entry is a place in `Candidates.keys`."""
    owners: np.ndarray
    """int32, by entry: the candidate."""
    last_met: np.ndarray
    """int64, by candidate: who was compared with it last."""


class Judge:
    """Holds the survivors so far; `judge` goes on through the line.

    Args:
        candidates: Who stands in line, and the keys that each shares with somebody.
        texts: What they say.
        threshold: Jaccard similarity from which on a document is a near-duplicate.
    """

    def __init__(self, candidates: Candidates, texts: Texts, threshold: float) -> None:
        num = len(candidates.documents)
        self._candidates = candidates
        self._texts = texts
        self._threshold = threshold
        self._chains = _Chains(
            np.full(candidates.num_keys, _NOBODY, np.int64),
            np.zeros(candidates.num_keys, np.uint16),
            np.empty(len(candidates.keys), np.int64),
            np.repeat(np.arange(num, dtype=np.int32), np.diff(candidates.offsets)),
            np.full(num, _NOBODY, np.int64),
        )
        self.survivors = np.full(num, _NOBODY, np.int64)
        """int64: the place in line of the document that it is a near-duplicate of, or -1."""
        self.similarities = np.zeros(num)
        """float64: their Jaccard similarity."""
        self.num_compared = 0
        """Pairs whose shingles were compared."""

    @property
    def num_crowded_keys(self) -> int:
        """Keys with as many survivors as are compared."""
        return int((self._chains.lengths == MAX_SURVIVORS_PER_KEY).sum())

    def judge(self) -> Iterator[int]:
        """Judge them all; yields how many were judged since the last time."""
        offsets, keys = self._candidates.offsets, self._candidates.keys
        for first in range(0, len(self.survivors), _CHUNK):
            last = min(first + _CHUNK, len(self.survivors))
            for_these = slice(first, last)
            self.num_compared += _judge_kernel(
                first,
                offsets[first : last + 1],
                keys,
                self._texts,
                self._chains,
                self._threshold,
                self.survivors[for_these],
                self.similarities[for_these],
            )
            yield last - first


@njit(nogil=True, cache=True)
def _judge_kernel(
    first: int,
    offsets: np.ndarray,
    keys: np.ndarray,
    texts: Texts,
    chains: _Chains,
    threshold: float,
    survivors: np.ndarray,
    similarities: np.ndarray,
) -> int:  # pragma: no cover
    num_compared = 0
    for i in range(len(survivors)):
        mine = keys[offsets[i] : offsets[i + 1]]
        if not texts.is_kept[first + i]:
            survivors[i], similarities[i], num = _closest(first + i, mine, texts, chains, threshold)
            num_compared += num
        # Only survivors enter the chains: else a chain of dropped documents, each a little
        # different, would drop a document that shares little with any that was kept.
        if survivors[i] == _NOBODY:
            for entry in range(offsets[i], offsets[i + 1]):
                key = keys[entry]
                if chains.lengths[key] < MAX_SURVIVORS_PER_KEY:
                    chains.lengths[key] += 1
                    chains.following[entry] = chains.heads[key]
                    chains.heads[key] = entry
    return num_compared


@njit(nogil=True, cache=True)
def _closest(
    candidate: int, keys: np.ndarray, texts: Texts, chains: _Chains, threshold: float
) -> tuple[np.int64, float, int]:  # pragma: no cover
    """The most similar survivor (the first in line of them), how similar, how many compared."""
    best, highest, num_compared = np.int64(_NOBODY), 0.0, 0
    mine = texts.shingles[texts.starts[candidate] : texts.ends[candidate]]
    for key in keys:
        entry = chains.heads[key]
        while entry != _NOBODY:
            other = np.int64(chains.owners[entry])
            entry = chains.following[entry]
            if chains.last_met[other] == candidate:
                continue
            chains.last_met[other] = candidate
            theirs = texts.shingles[texts.starts[other] : texts.ends[other]]
            # No pair is more alike than its sizes are.
            if min(len(mine), len(theirs)) / max(len(mine), len(theirs)) < threshold:
                continue
            num_compared += 1
            similarity = _jaccard(mine, theirs)
            if similarity < threshold or similarity < highest:
                continue
            if similarity > highest or other < best:
                best, highest = other, similarity
    return best, highest, num_compared


@njit(nogil=True, cache=True)
def _jaccard(mine: np.ndarray, theirs: np.ndarray) -> float:  # pragma: no cover
    i = j = num_shared = 0
    while i < len(mine) and j < len(theirs):
        a, b = mine[i], theirs[j]
        # Without branches on the shingles, which no processor could foresee.
        num_shared += a == b
        i += a <= b
        j += b <= a
    return num_shared / (len(mine) + len(theirs) - num_shared)
