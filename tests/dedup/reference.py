"""What words, n-grams and their hashes are: slow, plain Python, one character at a time."""

import unicodedata
from typing import NamedTuple

_MASK = (1 << 64) - 1
_SEED = 0x2545F4914F6CDD1D
_WORD_MULTIPLIER = 0x9E3779B97F4A7C15
_NGRAM_MULTIPLIER = 6364136223846793005


class Word(NamedTuple):
    text: str
    start: int
    """In bytes of the UTF-8 of the text's NFC."""
    end: int


def words(text: str) -> list[Word]:
    found: list[Word] = []
    word, start, at = "", 0, 0
    # The space at the end ends the last word.
    for character in unicodedata.normalize("NFC", text) + " ":
        if character.isalnum():
            if not word:
                start = at
            word += character.lower()[0]
        elif word:
            found.append(Word(word, start, at))
            word = ""
        at += len(character.encode())
    return found


def normalised(text: str) -> str:
    return " ".join(word.text for word in words(text))


def ngrams(text: str, n: int) -> list[tuple[str, ...]]:
    found = [word.text for word in words(text)]
    return [tuple(found[i : i + n]) for i in range(len(found) - n + 1)]


def word_hash(word: str) -> int:
    value = _SEED
    for character in word:
        value = (value * _WORD_MULTIPLIER + ord(character)) & _MASK
    value = ((value ^ value >> 32) * _WORD_MULTIPLIER) & _MASK
    return value ^ value >> 32


def ngram_hashes(text: str, n: int) -> list[int]:
    hashes = []
    for ngram in ngrams(text, n):
        value = 0
        for word in ngram:
            value = (value * _NGRAM_MULTIPLIER + word_hash(word)) & _MASK
        hashes.append(mix(value))
    return hashes


def mix(value: int) -> int:
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) & _MASK
    return value ^ value >> 31
