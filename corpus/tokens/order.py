"""In which order training sees the windows: a keyed permutation, the same for any number of ranks.

The window at a place of a run is a pure function of (seed, epoch, index): no buffer, no index
file, no state. So a run resumes at any step at no cost, step `s` has the same batch for any number
of ranks, and a range of steps can be left out.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit

_ROUNDS: Final = 12  # six leave a bias of several per cent in corpora of up to 16 windows
_ONE: Final = np.uint64(1)
_MASK_64: Final = 2**64 - 1


@dataclass(frozen=True)
class SampleOrder:
    """The endless order in which a run with `seed` takes `num_windows` windows, epoch by epoch.

    Raises:
        ValueError: there is no window, or the ranges of `skipped` do not follow one another.
    """

    seed: int
    num_windows: int
    skipped: tuple[tuple[int, int], ...] = ()
    """Ranges [first, last) of steps whose batches are left out, such as those of a loss spike: the
    steps after them move up. The numbers are those of the order without any skipped range."""

    def __post_init__(self) -> None:
        if self.num_windows < 1:
            raise ValueError(f"there must be a window to order, got {self.num_windows}")
        free_from = 0
        for first, last in self.skipped:
            if not free_from <= first < last:
                raise ValueError(
                    f"[{first}, {last}] is no range of steps [first, last) that begins "
                    "where the one before it ends, or later"
                )
            free_from = last

    def sample(self, epoch: int, index: int) -> int:
        """The window at place `index` of `epoch`; each epoch is its own permutation."""
        return int(self._samples(epoch, index, 1)[0])

    def batch(self, step: int, batch_size: int, rank: int = 0, world_size: int = 1) -> np.ndarray:
        """The windows that `rank` takes at `step`: its even share of the global batch, int64.

        The ranks' shares, one after the other, are the batch of a single rank; cut into
        micro-batches they are it still. A batch may span the end of an epoch. To replay a step is
        to ask for it again.

        Args:
            step: Counted from 0, without the skipped ones.
            batch_size: Windows of the global batch; the same at every step of a run.
            rank: This process among those that share the batch.
            world_size: How many they are.

        Raises:
            ValueError: the ranks cannot share the batch evenly.
        """
        if batch_size % world_size:
            raise ValueError(f"{world_size} ranks cannot share a batch of {batch_size} evenly")
        share = batch_size // world_size
        epoch, index = divmod(self.plain_step(step) * batch_size + rank * share, self.num_windows)
        parts = []
        while share:
            parts.append(self._samples(epoch, index, min(share, self.num_windows - index)))
            share -= len(parts[-1])
            epoch, index = epoch + 1, 0
        return np.concatenate(parts)

    def plain_step(self, step: int) -> int:
        """Which step of the order without skipped ranges has the batch of `step`."""
        for first, last in self.skipped:
            if step >= first:
                step += last - first
        return step

    def _samples(self, epoch: int, index: int, count: int) -> np.ndarray:
        places = np.arange(index, index + count)
        return permute(places, self.num_windows, key=derive_seed(self.seed, epoch))


def permute(indices: np.ndarray, size: int, key: int) -> np.ndarray:
    """Where each index goes in the permutation of range(size) that `key` names, in O(1) memory.

    A Feistel network permutes the next power of four; walking its cycle until a value below
    `size` turns up (4 steps at most on average) makes a permutation of range(size) of it (Black
    and Rogaway 2002).

    Over random keys, an index goes to every place and a pair of neighbours to every pair of
    places equally often: a million keys show no difference. Whole permutations do not come equally
    often: a Feistel network on n = 16, 64, ... values makes even ones only, so of those of
    range(size) the even and the odd ones differ in frequency by size (size - 1) / (n (n - 1)),
    which takes all places but one to see.

    Args:
        indices: (n,) int64.
        size: At most 2**62.
        key: 64 bits.

    Returns:
        (n,) int64.

    Raises:
        ValueError: an index is not in range(size).
    """
    if len(indices) and not 0 <= (outside := _farthest(indices, size)) < size:
        raise ValueError(f"index {outside} is not in range({size})")
    half_bits = max(1, ((size - 1).bit_length() + 1) // 2)
    return _permute(indices, np.uint64(size), np.uint64(half_bits), np.uint64(key & _MASK_64))


def derive_seed(*parts: int) -> int:
    """A seed of 64 bits that no other `parts` are likely to share, the same in every version."""
    seed = 0
    for part in parts:
        seed = int(_mix(np.uint64((seed ^ part) & _MASK_64)))
    return seed


def _farthest(indices: np.ndarray, size: int) -> int:
    return int(indices.max() if indices.max() >= size else indices.min())


@njit(nogil=True, cache=True)
def _mix(value: np.uint64) -> np.uint64:  # pragma: no cover
    """Scramble 64 bits (the output function of SplitMix64, Steele et al. 2014)."""
    value += np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ value >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ value >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return value ^ value >> np.uint64(31)


@njit(nogil=True, cache=True)
def _permute(
    indices: np.ndarray, size: np.uint64, half_bits: np.uint64, key: np.uint64
) -> np.ndarray:  # pragma: no cover
    mask = (_ONE << half_bits) - _ONE
    keys = np.empty(_ROUNDS, np.uint64)
    for i in range(_ROUNDS):
        keys[i] = _mix(key + np.uint64(i))
    places = np.empty(len(indices), np.int64)
    for i in range(len(indices)):
        value = np.uint64(indices[i])
        while True:
            left, right = value >> half_bits, value & mask
            for round_key in keys:
                left, right = right, left ^ (_mix(right ^ round_key) & mask)
            value = left << half_bits | right
            if value < size:
                break
        places[i] = np.int64(value)
    return places
