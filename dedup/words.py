"""Texts become words: lower-cased runs of letters and digits of any script (paper section 4).

The unit of comparison for everything here: two texts are the same if their words are. A numba
kernel reads UTF-8 as Arrow holds it; no Python object is made per word.

What a word is, exactly:

- The text in Unicode's composed form (NFC), so that an accent typed as a character of its own does
  not cut a word.
- A word is a longest run of characters for which `str.isalnum` holds. A script without spaces
  yields one word per run of letters; a mark that composes with nothing ends a word.
- Each character is lower-cased by itself: no final sigma, and a dotted capital I is an i.

Which characters are letters changes a little with Unicode's version, so `SCHEME` names it: hashes
of one scheme must not be compared with those of another.
"""

import sys
import unicodedata
from functools import cache
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

SCHEME: Final = f"webtext-words-1/unicode-{unicodedata.unidata_version}"
"""Name of the hashes made here; it changes with every change that changes one of them."""

# An entry of the table of characters: its lower case in the low 21 bits, and two marks.
_LOWER: Final = np.uint32((1 << 21) - 1)
_IN_WORD: Final = np.uint32(1 << 31)
_MAY_COMPOSE: Final = np.uint32(1 << 30)

# A word's hash is a polynomial in its characters, modulo 2**64, then mixed: a polynomial's low bits
# depend on the characters' low bits only. The multiplier is odd, the golden ratio's.
_SEED: Final = np.uint64(0x2545F4914F6CDD1D)
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)

# Entries of the table of bytes, beside the lower-cased letters and digits of ASCII.
_NOT_IN_WORD: Final = 0
_NOT_ASCII: Final = 255

_HANGUL_VOWELS_AND_TAILS: Final = (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))


class Words(NamedTuple):
    """The words of some texts, one text after the other."""

    hashes: np.ndarray
    """uint64, shape (num_words,)."""
    offsets: np.ndarray
    """int64, shape (num_texts + 1,): text `i` has the words `offsets[i]` to `offsets[i + 1]`."""
    starts: np.ndarray
    """int64, shape (num_words,), or (0,) if they were not asked for: where in its text, in bytes of
    the UTF-8 of its NFC, each word begins."""
    ends: np.ndarray
    """The same for the first byte behind each word."""


def scan_words(texts: pa.Array, *, with_spans: bool = False) -> Words:
    """The words of each of `texts`.

    Releases the interpreter while it scans, so that threads can share the work.

    Args:
        texts: Strings (`string` or `large_string`), without nulls.
        with_spans: Also say where in its text each word is.

    Raises:
        pyarrow.ArrowInvalid: the bytes are not UTF-8.
    """
    texts.validate(full=True)
    words, may_compose = _scan(texts, with_spans=with_spans)
    if may_compose.any() and (composed := _compose(texts, may_compose)) is not None:
        words, _ = _scan(composed, with_spans=with_spans)
    return words


def _scan(texts: pa.Array, *, with_spans: bool) -> tuple[Words, np.ndarray]:
    """The words of texts taken as they are, and which texts may not be in NFC."""
    data, offsets = _utf8(texts)
    # A byte for each word, and one between two of the same text.
    max_words = (int(offsets[-1] - offsets[0]) + len(texts)) // 2 + 1
    hashes = np.empty(max_words, np.uint64)
    spans = np.empty((2, max_words if with_spans else 0), np.int64)
    word_offsets = np.zeros(len(texts) + 1, np.int64)
    may_compose = np.zeros(len(texts), np.bool_)
    tables = _bytes(), _characters()
    _scan_kernel(data, offsets, *tables, hashes, spans, word_offsets, may_compose)
    num_words = word_offsets[-1]
    starts, ends = spans[:, :num_words]
    return Words(hashes[:num_words], word_offsets, starts, ends), may_compose


def _utf8(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The bytes that `texts` lie in, and where each begins (one more for the end), uncopied."""
    if not len(texts):
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    _, offsets, data = texts.buffers()
    kind = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    bounds = np.frombuffer(offsets, kind)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(data or b"", np.uint8), bounds.astype(np.int64)


def _compose(texts: pa.Array, may_compose: np.ndarray) -> pa.Array | None:
    """The texts with the marked ones in NFC; None if they are in it already."""
    marked = texts.filter(pa.array(may_compose)).to_pylist()
    composed = [unicodedata.normalize("NFC", text) for text in marked]
    if composed == marked:
        return None
    return pc.call_function(
        "replace_with_mask", [texts, pa.array(may_compose), pa.array(composed, texts.type)]
    )


@cache
def _bytes() -> np.ndarray:
    """What the kernel must know of each byte, uint8 of shape (256,)."""
    table = np.full(256, _NOT_ASCII, np.uint8)
    for code in range(0x80):
        character = chr(code)
        table[code] = ord(character.lower()) if character.isalnum() else _NOT_IN_WORD
    return table


@cache
def _characters() -> np.ndarray:
    """What the kernel must know of each code point, uint32 of shape (0x110000,)."""
    table = np.arange(sys.maxunicode + 1, dtype=np.uint32)
    for code in range(0x80, sys.maxunicode + 1):
        character = chr(code)
        if unicodedata.combining(character):
            table[code] |= _MAY_COMPOSE
        parts = unicodedata.decomposition(character)
        if parts and not parts.startswith("<"):
            if unicodedata.normalize("NFC", character) != character:
                table[code] |= _MAY_COMPOSE
            for part in parts.split()[1:]:
                table[int(part, 16)] |= _MAY_COMPOSE
    table[list(_HANGUL_VOWELS_AND_TAILS)] |= _MAY_COMPOSE
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if character.isalnum():
            table[code] = table[code] & _MAY_COMPOSE | _IN_WORD | ord(character.lower()[0])
    return table


@njit(nogil=True, cache=True)
def _scan_kernel(
    data: np.ndarray,
    offsets: np.ndarray,
    table: np.ndarray,
    characters: np.ndarray,
    hashes: np.ndarray,
    spans: np.ndarray,
    word_offsets: np.ndarray,
    may_compose: np.ndarray,
) -> None:  # pragma: no cover
    num_words = 0
    with_spans = spans.shape[1] > 0
    for text in range(len(offsets) - 1):
        begin, end = np.uint64(offsets[text]), np.uint64(offsets[text + 1])
        at = begin
        seen = np.uint32(0)
        while at < end:
            start = at
            at, gap, value, seen = _read_word(data, at, end, table, characters, seen)
            if at > start:
                value = (value ^ value >> np.uint64(32)) * _MULTIPLIER
                hashes[num_words] = value ^ value >> np.uint64(32)
                if with_spans:
                    spans[0, num_words] = start - begin
                    spans[1, num_words] = at - begin
                num_words += 1
            at += gap
        word_offsets[text + 1] = num_words
        may_compose[text] = seen & _MAY_COMPOSE != 0


@njit(nogil=True, cache=True, inline="always")
def _read_word(
    data: np.ndarray,
    at: np.uint64,
    end: np.uint64,
    table: np.ndarray,
    characters: np.ndarray,
    seen: np.uint32,
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint32]:  # pragma: no cover
    """Where the word at `at` ends, the bytes of what ends it, its polynomial, and `seen`.

    The word is empty if another character is at `at`.
    """
    value = _SEED
    while at < end:
        lower = table[data[at]]
        if lower == _NOT_IN_WORD:
            return at, np.uint64(1), value, seen
        if lower != _NOT_ASCII:
            value = value * _MULTIPLIER + np.uint64(lower)
            at += np.uint64(1)
            continue
        code, size = _decode(data, at)
        character = characters[code]
        seen |= character
        if not character & _IN_WORD:
            return at, size, value, seen
        value = value * _MULTIPLIER + np.uint64(character & _LOWER)
        at += size
    return at, np.uint64(0), value, seen


@njit(nogil=True, cache=True, inline="always")
def _decode(data: np.ndarray, at: np.uint64) -> tuple[int, np.uint64]:  # pragma: no cover
    """The code point at `at`, beyond ASCII, and its bytes."""
    first = np.uint32(data[at])
    second = data[at + np.uint64(1)] & 0x3F
    if first < 0xE0:
        return (first & 0x1F) << 6 | second, np.uint64(2)
    third = data[at + np.uint64(2)] & 0x3F
    if first < 0xF0:
        return (first & 0x0F) << 12 | second << 6 | third, np.uint64(3)
    fourth = data[at + np.uint64(3)] & 0x3F
    return (first & 0x07) << 18 | second << 12 | third << 6 | fourth, np.uint64(4)
