"""MinHash in bands: documents that share most of their shingles share the key of some band.

One minimum of a random permutation is equal for two sets with the probability of their Jaccard
similarity J (Broder 1997). A band is `num_rows` minima, and with b bands two documents share at
least one key with probability 1 - (1 - J ** num_rows) ** b.
"""

import math
from typing import Final

import numpy as np
from numba import njit

NUM_BANDS: Final = 20
RECALL: Final = 0.995
"""Share of the pairs just at the threshold that must share a band; of those above it, more do."""
MAX_ROWS: Final = 32
"""At thresholds near 1 a longer band would only save comparisons that are rare anyway."""

NO_KEY: Final = np.uint64(0)
"""The key of a document without a shingle: it is in no band."""

_SEED: Final = 0x5EED_0F_3A5
_NO_MINIMUM: Final = np.uint32(0xFFFF_FFFF)


def rows_per_band(threshold: float) -> int:
    """The most minima per band with which a pair at `threshold` is still found: 6 for 0.8.

    Args:
        threshold: Jaccard similarity from 0.5 to 1: below, one minimum per band were too many.
    """
    if threshold == 1:
        return MAX_ROWS
    # Solved for the rows: 1 - (1 - threshold ** rows) ** NUM_BANDS >= RECALL.
    share = 1 - (1 - RECALL) ** (1 / NUM_BANDS)
    return max(1, min(MAX_ROWS, math.floor(math.log(share) / math.log(threshold))))


def band_keys(shingles: np.ndarray, offsets: np.ndarray, num_rows: int) -> np.ndarray:
    """The band keys of some documents, uint64 of shape (NUM_BANDS, num_documents).

    Args:
        shingles: uint32 hashes of shape (num_shingles,), one document after the other.
        offsets: int64 of shape (num_documents + 1,): where each document's shingles begin.
        num_rows: Minima per band.
    """
    rng = np.random.Generator(np.random.PCG64(_SEED))
    size = NUM_BANDS * num_rows
    multipliers = rng.integers(0, 2**32, size, dtype=np.uint32) | np.uint32(1)
    summands = rng.integers(0, 2**32, size, dtype=np.uint32)
    minima = np.full((len(offsets) - 1, size), _NO_MINIMUM)
    _minima_kernel(shingles, offsets, multipliers, summands, minima)
    keys = np.zeros((NUM_BANDS, len(offsets) - 1), np.uint64)
    _keys_kernel(minima, np.diff(offsets), keys)
    return keys


# With 32 bits and no branch the inner loop runs over eight permutations at a time. x -> ax + b
# with an odd a permutes the 32-bit numbers; the shingles are well mixed before.
@njit(nogil=True, cache=True)
def _minima_kernel(
    shingles: np.ndarray,
    offsets: np.ndarray,
    multipliers: np.ndarray,
    summands: np.ndarray,
    minima: np.ndarray,
) -> None:  # pragma: no cover
    for document in range(len(offsets) - 1):
        lowest = minima[document]
        for at in range(offsets[document], offsets[document + 1]):
            shingle = shingles[at]
            for i in range(len(multipliers)):
                image = np.uint32(np.uint32(shingle * multipliers[i]) + summands[i])
                lowest[i] = min(lowest[i], image)


@njit(nogil=True, cache=True)
def _keys_kernel(
    minima: np.ndarray, num_shingles: np.ndarray, keys: np.ndarray
) -> None:  # pragma: no cover
    num_bands, num_documents = keys.shape
    num_rows = minima.shape[1] // num_bands
    for document in range(num_documents):
        if num_shingles[document] == 0:
            continue
        for band in range(num_bands):
            key = np.uint64(band)
            for row in range(band * num_rows, (band + 1) * num_rows):
                # Each minimum is mixed in by the finaliser of splitmix64 (Steele et al. 2014).
                key = (key + np.uint64(minima[document, row])) * np.uint64(0x9E3779B97F4A7C15)
                key = (key ^ key >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
                key = (key ^ key >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
                key ^= key >> np.uint64(31)
            keys[band, document] = max(key, np.uint64(1))
