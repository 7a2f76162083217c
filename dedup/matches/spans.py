"""Where in a text, in characters of the text as stored, words lie; and whether two spans agree."""

import unicodedata
from itertools import pairwise

import numpy as np


def to_characters(text: str, byte_positions: np.ndarray) -> np.ndarray:
    """Positions in the UTF-8 of `text`'s NFC, as positions in `text`.

    Extraction stores NFC, where this counts characters and no more. In any other text a position
    inside of a composed character becomes the beginning of what it was composed from.

    Args:
        text: As stored or published.
        byte_positions: int64, each the first byte of a character or the end of the text.
    """
    composed = unicodedata.normalize("NFC", text)
    data = np.frombuffer(composed.encode(), np.uint8)
    # A character begins at every byte that does not continue one: 0b10xxxxxx.
    begins = np.concatenate([[0], np.cumsum(data & 0xC0 != 0x80)])
    # At the first byte of character k, k characters have begun before it.
    characters = begins[byte_positions]
    return characters if composed == text else _origins(text)[characters]


def same_words(left: str, right: str) -> bool:
    """Whether two texts have the same words, compared letter by letter."""
    return plain_words(left) == plain_words(right)


def plain_words(text: str) -> list[str]:
    """The words of a text as `dedup.words` defines them, slowly and without any hash."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(c.lower()[0] if c.isalnum() else " " for c in composed).split()


def _origins(text: str) -> np.ndarray:
    """For each character of the text's NFC, and its end, where in `text` it comes from."""
    cuts = _composition_borders(text)
    origins: list[int] = []
    for start, end in pairwise([*cuts, len(text)]):
        width = len(unicodedata.normalize("NFC", text[start:end]))
        # Nothing was composed: character by character. Otherwise all come from the first.
        origins += range(start, end) if width == end - start else [start] * width
    return np.array([*origins, len(text)])


def _composition_borders(text: str) -> list[int]:
    """Where `text` can be cut so that its pieces' NFC, joined, are its NFC."""
    borders: list[int] = []
    for at, character in enumerate(text):
        if not borders or not _composes(text[borders[-1] : at], character):
            borders.append(at)
    return borders


def _composes(before: str, character: str) -> bool:
    if character.isascii():
        return False
    if unicodedata.combining(character):
        return True
    apart = unicodedata.normalize("NFC", before) + unicodedata.normalize("NFC", character)
    return unicodedata.normalize("NFC", before + character) != apart
