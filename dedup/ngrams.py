"""64-bit hashes of the n-grams of words, the same on every machine and for ever.

An n-gram's hash is a polynomial in its words' hashes, modulo 2**64, so that it rolls: one word in,
one word out, whatever n is. splitmix64's finaliser stands behind it: without that the low bits
would depend on the words' low bits only.
"""

from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from dedup.words import Words, scan_words

# Any odd multiplier keeps two n-grams apart that differ in one word only: it has an inverse
# modulo 2**64. This one is of Knuth's 64-bit linear congruential generator.
_BASE: Final = np.uint64(6364136223846793005)


class Ngrams(NamedTuple):
    """The n-grams of some texts, one text after the other, in text order, repeats included."""

    hashes: np.ndarray
    """uint64, shape (num_ngrams,)."""
    offsets: np.ndarray
    """int64, shape (num_texts + 1,): text `i` has the n-grams `offsets[i]` to `offsets[i + 1]`; its
    k-th n-gram begins at its k-th word. A text of fewer than n words has none."""


def scan_ngrams(texts: pa.Array, n: int) -> Ngrams:
    """The n-grams of each of `texts`; see `scan_words`."""
    return hash_ngrams(scan_words(texts), n)


def ngram_hashes(text: str, n: int) -> np.ndarray:
    """The n-grams of one text, uint64 of shape (num_words - n + 1,)."""
    return scan_ngrams(pa.array([text], pa.large_string()), n).hashes


def hash_ngrams(words: Words, n: int) -> Ngrams:
    """The n-grams of texts whose words are known.

    Raises:
        ValueError: `n` is not positive.
    """
    if n < 1:
        raise ValueError(f"n must be positive, got {n}")
    offsets = np.zeros(len(words.offsets), np.int64)
    np.cumsum(np.maximum(np.diff(words.offsets) - (n - 1), 0), out=offsets[1:])
    hashes = np.empty(offsets[-1], np.uint64)
    _roll_kernel(words.hashes, words.offsets, n, hashes)
    return Ngrams(hashes, offsets)


@njit(nogil=True, cache=True)
def _roll_kernel(
    words: np.ndarray, word_offsets: np.ndarray, n: int, hashes: np.ndarray
) -> None:  # pragma: no cover
    leaving = np.uint64(1)
    for _ in range(n - 1):
        leaving *= _BASE
    out = 0
    for text in range(len(word_offsets) - 1):
        begin, end = word_offsets[text], word_offsets[text + 1]
        if end - begin < n:
            continue
        value = np.uint64(0)
        for at in range(begin, begin + n - 1):
            value = value * _BASE + words[at]
        for at in range(begin + n - 1, end):
            value = value * _BASE + words[at]
            hashes[out] = _mix(value)
            out += 1
            value -= leaving * words[at - (n - 1)]


@njit(nogil=True, cache=True, inline="always")
def _mix(value: np.uint64) -> np.uint64:  # pragma: no cover
    value = (value ^ value >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ value >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return value ^ value >> np.uint64(31)
