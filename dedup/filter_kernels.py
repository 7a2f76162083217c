"""The n-gram filter's inner loops: sort keys by part, set and test bits.

All work on 64-bit keys and on the filter's memory as 64-bit words; all release the interpreter.
Bit `j` of a part is bit `j % 64` of its word `j // 64`: on a little-endian machine those are the
bytes of a little-endian `bitarray`.
"""

from typing import Final

import numpy as np
from numba import njit

MAX_SLICES: Final = 64
"""How many bits a key can have: the length of the constants."""

FIRST_BIT: Final = 512
"""Where in a part, in bits, its own bits begin: a cache line for its header goes before."""
COUNT_WORD: Final = 7
"""The word of a part that counts its keys: the last of pybloom-live's header."""

_LINE_WORDS: Final = 8
_FIRST_LOOK: Final = 4
_WORD_BITS: Final = np.uint64(6)
_IN_WORD: Final = np.uint64(63)
_HALF: Final = np.uint64(32)
_ONE: Final = np.uint64(1)
_LAST: Final = np.uint64(63)


@njit(nogil=True, cache=True, inline="always")
def mix(key: np.uint64) -> np.uint64:  # pragma: no cover
    """splitmix64's finaliser (Steele, Lea and Flood 2014): no two keys become one.

    Which part a key is in is its top bits: they must be even for any keys, counted ones too.
    """
    key = (key ^ key >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ key >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return key ^ key >> np.uint64(31)


@njit(nogil=True, cache=True, inline="always")
def _top(key: np.uint64, bits: int) -> np.int64:  # pragma: no cover
    # In two steps: a shift by 64, as for no bits at all, is undefined.
    return np.int64((key >> _ONE) >> (_LAST - np.uint64(bits)))


@njit(nogil=True, cache=True)
def mix_and_count(
    keys: np.ndarray, counts: np.ndarray, bucket_bits: int
) -> None:  # pragma: no cover
    """Mix `keys` in place, and count them by their top `bucket_bits` bits."""
    for at in range(len(keys)):
        key = mix(keys[at])
        keys[at] = key
        counts[_top(key, bucket_bits)] += 1


@njit(nogil=True, cache=True)
def scatter(
    keys: np.ndarray, nexts: np.ndarray, bucket_bits: int, out: np.ndarray
) -> None:  # pragma: no cover
    """Copy each of `keys` to `out`, where its bucket's next one belongs; moves `nexts` on."""
    for key in keys:
        bucket = _top(key, bucket_bits)
        out[nexts[bucket]] = key
        nexts[bucket] += 1


@njit(nogil=True, cache=True)
def insert_buckets(
    keys: np.ndarray,
    bounds: np.ndarray,
    first_bucket: int,
    last_bucket: int,
    part_bits: int,
    parts: np.ndarray,
    bits_per_slice: np.uint64,
    constants: np.ndarray,
) -> np.uint64:  # pragma: no cover
    """Set the bits of the keys of some buckets; a bucket is one part or a run of parts.

    Args:
        keys: uint64, mixed, by bucket.
        bounds: int64, where in `keys` each bucket begins, and the end.
        first_bucket: The first that is ours.
        last_bucket: The first behind them.
        part_bits: So many top bits of a key name its part.
        parts: uint64 of shape (num_parts, words per part), in C order.
        bits_per_slice: Of a part; there are as many slices as constants.
        constants: uint64 and odd, one per slice.

    Returns:
        A number of no meaning; without it the compiler would drop the reads that make it.
    """
    parts_per_bucket = len(parts) // (len(bounds) - 1)
    ends = np.empty(parts_per_bucket, np.int64)
    by_part = np.empty(0, np.uint64)
    read = np.uint64(0)
    for bucket in range(first_bucket, last_bucket):
        ours = keys[bounds[bucket] : bounds[bucket + 1]]
        first_part = bucket * parts_per_bucket
        if parts_per_bucket == 1:
            read ^= _insert(ours, parts[first_part], bits_per_slice, constants)
            continue
        if len(by_part) < len(ours):
            by_part = np.empty(len(ours) + len(ours) // 4, np.uint64)
        _sort_by_part(ours, part_bits, first_part, ends, by_part)
        begin = 0
        for part in range(parts_per_bucket):
            in_part = by_part[begin : ends[part]]
            read ^= _insert(in_part, parts[first_part + part], bits_per_slice, constants)
            begin = ends[part]
    return read


@njit(nogil=True, cache=True)
def _sort_by_part(
    keys: np.ndarray, part_bits: int, first_part: int, ends: np.ndarray, out: np.ndarray
) -> None:  # pragma: no cover
    ends[:] = 0
    for key in keys:
        ends[_top(key, part_bits) - first_part] += 1
    begin = 0
    for part in range(len(ends)):
        begin, ends[part] = begin + ends[part], begin
    for key in keys:
        part = _top(key, part_bits) - first_part
        out[ends[part]] = key
        ends[part] += 1


@njit(nogil=True, cache=True)
def _insert(
    keys: np.ndarray, words: np.ndarray, bits_per_slice: np.uint64, constants: np.ndarray
) -> np.uint64:  # pragma: no cover
    num_slices = len(constants)
    # One sweep, which the processor foresees, fetches a part at twice the speed of the keys that
    # need it here and there.
    read = np.uint64(0)
    if len(keys) * num_slices > len(words) // _LINE_WORDS:
        for at in range(0, len(words), _LINE_WORDS):
            read ^= words[at]
    # All positions of a key before the first of its bits: so the arithmetic becomes SIMD, which
    # makes the whole half as fast again.
    positions = np.empty(MAX_SLICES, np.uint64)
    num_new = np.uint64(0)
    for key in keys:
        for i in range(num_slices):
            positions[i] = _position(key, np.uint64(i), bits_per_slice, constants[i])
        is_old = _ONE
        for i in range(num_slices):
            word = np.int64(positions[i] >> _WORD_BITS)
            bit = positions[i] & _IN_WORD
            before = words[word]
            is_old &= before >> bit
            words[word] = before | _ONE << bit
        num_new += _ONE - is_old
    words[COUNT_WORD] += num_new
    return read


@njit(nogil=True, cache=True, inline="always")
def _position(
    key: np.uint64, number: np.uint64, bits_per_slice: np.uint64, constant: np.uint64
) -> np.uint64:  # pragma: no cover
    # Multiply-shift: the product's high half, scaled to the slice without a division.
    offset = np.uint64(FIRST_BIT) + number * bits_per_slice
    return ((key * constant >> _HALF) * bits_per_slice >> _HALF) + offset


@njit(nogil=True, cache=True)
def find(
    keys: np.ndarray,
    part_bits: int,
    parts: np.ndarray,
    bits_per_slice: np.uint64,
    constants: np.ndarray,
    found: np.ndarray,
) -> None:  # pragma: no cover
    """Say for each of `keys`, not yet mixed, whether all its bits are set."""
    # An absent key shows with the first few of its bits, but with which one nobody can predict:
    # these are looked up without a branch between them, and so are the others of a present key.
    num_slices = len(constants)
    num_first = min(_FIRST_LOOK, num_slices)
    positions = np.empty(MAX_SLICES, np.uint64)
    for at in range(len(keys)):
        key = mix(keys[at])
        words = parts[_top(key, part_bits)]
        is_set = _ONE
        for i in range(num_first):
            position = _position(key, np.uint64(i), bits_per_slice, constants[i])
            is_set &= words[np.int64(position >> _WORD_BITS)] >> (position & _IN_WORD)
        if is_set & _ONE:
            for i in range(num_first, num_slices):
                positions[i] = _position(key, np.uint64(i), bits_per_slice, constants[i])
            for i in range(num_first, num_slices):
                is_set &= words[np.int64(positions[i] >> _WORD_BITS)] >> (positions[i] & _IN_WORD)
        found[at] = is_set & _ONE != 0
