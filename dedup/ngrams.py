"""Normalised words of a text and 64-bit hashes of its n-grams, the same on every machine."""

import re
import unicodedata
from typing import Final

import numpy as np
import xxhash

# `\w` without the underscore: letters and digits of any script.
_WORD: Final = re.compile(r"[^\W_]+")

# Any odd multiplier keeps two n-grams apart that differ in one word only: it has an inverse
# modulo 2**64. This one is the golden ratio's, the usual choice.
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)

# A word and its hash take about 150 bytes: the cache stays under 80 MB.
_MAX_CACHED_WORDS: Final = 1 << 19


class _WordHashes(dict[str, int]):
    """Hash of each word met so far; starts afresh when full, so that memory stays bounded."""

    def __missing__(self, word: str) -> int:
        if len(self) >= _MAX_CACHED_WORDS:
            self.clear()
        value = self[word] = xxhash.xxh3_64_intdigest(word.encode())
        return value


_word_hashes = _WordHashes()


def split_words(text: str) -> list[str]:
    """The lower-cased alphanumeric words of `text` (paper section 4).

    Composed first (NFC), so that an accent typed as a character of its own does not cut a word.
    A script without spaces yields one word per run of letters.
    """
    return _WORD.findall(unicodedata.normalize("NFC", text).lower())


def normalise(text: str) -> str:
    """The words of `text` with one space between them: what counts as "the same text"."""
    return " ".join(split_words(text))


def ngram_hashes(text: str, n: int) -> np.ndarray:
    """Hashes of all n-grams of words of `text`, in text order, repeats included.

    Returns:
        uint64 of shape (num_words - n + 1,), empty for a text of fewer than `n` words.

    Raises:
        ValueError: `n` is not positive.
    """
    return hash_ngrams(split_words(text), n)


def hash_ngrams(words: list[str], n: int) -> np.ndarray:
    """The same as `ngram_hashes` for words that are split already."""
    if n < 1:
        raise ValueError(f"n must be positive, got {n}")
    num_ngrams = len(words) - n + 1
    if num_ngrams < 1:
        return np.empty(0, dtype=np.uint64)
    word_hashes = np.fromiter(map(_word_hashes.__getitem__, words), np.uint64, len(words))
    hashes = np.zeros(num_ngrams, dtype=np.uint64)
    for i in range(n):
        # Modulo 2**64: numpy's unsigned arrays wrap around silently, as wanted.
        hashes *= _MULTIPLIER
        hashes += word_hashes[i : i + num_ngrams]
    return _mix(hashes)


def _mix(hashes: np.ndarray) -> np.ndarray:
    # splitmix64's finaliser: without it the low bits of a sum depend on the words' low bits
    # only, and sampling by `hash % 8` would favour some words.
    hashes ^= hashes >> np.uint64(30)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(27)
    hashes *= np.uint64(0x94D049BB133111EB)
    hashes ^= hashes >> np.uint64(31)
    return hashes
