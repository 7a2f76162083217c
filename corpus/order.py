"""In which order training sees the tokens: a keyed permutation of windows, the same for all ranks.

Sample `position` of a run is a pure function of (seed, epoch, index), so a run resumes at any
step without a state, and step `s` has the same batch for any number of ranks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from corpus.tokens import token_streams

_MASK_64 = 2**64 - 1
_ROUNDS = 6


class TokenWindows:
    """The windows of `block_size + 1` tokens in a split's shards, read as one endless text.

    Neighbours share one token, so that every token but the first is predicted exactly once; a
    rest shorter than a window is left out. The shards are memory-mapped, and a window may cross
    from one into the next.

    Args:
        shards: Token shards of one split, in order.
        block_size: Tokens that a model sees at once.

    Raises:
        WebtextError: a shard is missing or damaged.
    """

    def __init__(self, shards: Sequence[Path], block_size: int) -> None:
        self.block_size = block_size
        self._streams = list(token_streams(shards))
        self._ends = np.cumsum([len(stream) for stream in self._streams], dtype=np.int64)

    @property
    def num_tokens(self) -> int:
        """Tokens in the split."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def __len__(self) -> int:
        return max(0, self.num_tokens - 1) // self.block_size

    def __getitem__(self, index: int) -> np.ndarray:
        """Window `index`: (block_size + 1,) int64, a copy.

        Raises:
            IndexError: there is no such window.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        return self._read(index * self.block_size, self.block_size + 1)

    def _read(self, start: int, length: int) -> np.ndarray:
        shard = int(np.searchsorted(self._ends, start, side="right"))
        parts = []
        while length:
            stream = self._streams[shard]
            offset = start - (int(self._ends[shard]) - len(stream))
            part = stream[offset : offset + length]
            parts.append(part)
            start, length, shard = start + len(part), length - len(part), shard + 1
        return np.concatenate(parts).astype(np.int64)


@dataclass(frozen=True)
class SampleOrder:
    """The endless order in which a run with `seed` takes `num_windows` windows, epoch by epoch."""

    seed: int
    num_windows: int

    def sample(self, epoch: int, index: int) -> int:
        """The window at place `index` of `epoch`; each epoch is its own permutation."""
        return permute(index, self.num_windows, key=derive_seed(self.seed, epoch))

    def batch(self, step: int, batch_size: int, rank: int = 0, world_size: int = 1) -> list[int]:
        """The windows that `rank` takes at `step`: its even share of the global batch.

        The ranks' shares, one after the other, are the batch of a single rank. A batch may span
        the end of an epoch.

        Raises:
            ValueError: the ranks cannot share the batch evenly.
        """
        if batch_size % world_size:
            raise ValueError(f"{world_size} ranks cannot share a batch of {batch_size} evenly")
        share = batch_size // world_size
        first = step * batch_size + rank * share
        positions = (divmod(i, self.num_windows) for i in range(first, first + share))
        return [self.sample(epoch, index) for epoch, index in positions]


def permute(index: int, size: int, key: int) -> int:
    """Where `index` goes in the permutation of range(size) that `key` names, in O(1) memory.

    A Feistel network permutes the next power of four; walking its cycle until a value below
    `size` turns up (4 steps at most on average) makes a permutation of range(size) of it.

    Raises:
        ValueError: `index` is not in range(size).
    """
    if not 0 <= index < size:
        raise ValueError(f"index {index} is not in range({size})")
    half_bits = max(1, ((size - 1).bit_length() + 1) // 2)
    keys = [_mix(key + i) for i in range(_ROUNDS)]
    value = _feistel(index, half_bits, keys)
    while value >= size:
        value = _feistel(value, half_bits, keys)
    return value


def derive_seed(*parts: int) -> int:
    """A seed of 64 bits that no other `parts` are likely to share, the same in every version."""
    seed = 0
    for part in parts:
        seed = _mix(seed ^ part)
    return seed


def _feistel(value: int, half_bits: int, keys: list[int]) -> int:
    mask = (1 << half_bits) - 1
    left, right = value >> half_bits, value & mask
    for key in keys:
        left, right = right, left ^ (_mix(right ^ key) & mask)
    return left << half_bits | right


def _mix(value: int) -> int:
    """Scramble 64 bits (the output function of SplitMix64, Steele et al. 2014)."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK_64
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & _MASK_64
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) & _MASK_64
    return value ^ value >> 31
