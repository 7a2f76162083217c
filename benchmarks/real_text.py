"""Text for benchmarks: real where it is at hand, multiplied without becoming the same again.

Articles, Wikipedia and the texts of the benchmarks, 15 megabytes, or words made up where they are
missing.
"""

import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from benchmarks.real_data import REAL_DATA

_TEXT_CHARACTERS = 5000  # of a web page
_WORDS_PER_NEW_ONE = 80
_NEW_WORD_LENGTH = 9
_LETTERS = np.array(list("etaoinshrdlucmfwypvbgkqjxz"))


def distinct_texts(num_bytes: int, n: int) -> pa.Array:
    """Texts of a web page's size, no two n-grams of which are alike.

    After every n - 1 words comes one of the repetition's own.
    """
    words = _real_words()
    texts: list[str] = []
    size, repetition = 0, 0
    while size < num_bytes:
        cuts = range(0, len(words), n - 1)
        salted = [f"{' '.join(words[at : at + n - 1])} r{repetition}" for at in cuts]
        whole = "\n".join(salted)
        texts += _cut(whole)
        size += len(whole)
        repetition += 1
    return pa.array(texts, pa.large_string())


def growing_texts(num_bytes: int) -> Iterator[str]:
    """Texts of a web page's size with ever new words, as on the web: one in 80 is new."""
    whole = "\n".join(real_texts() or [_made_up()])
    words = whole.split(" ")  # newlines and double spaces stay
    num_new = len(words) // _WORDS_PER_NEW_ONE
    rng = np.random.default_rng(1)
    size = 0
    while size < num_bytes:
        salted = list(words)
        letters = "".join(rng.choice(_LETTERS, _NEW_WORD_LENGTH * num_new).tolist())
        for i, at in enumerate(rng.choice(len(words), num_new, replace=False).tolist()):
            salted[at] = letters[i * _NEW_WORD_LENGTH : (i + 1) * _NEW_WORD_LENGTH]
        repeated = _cut(" ".join(salted))
        size += sum(len(text.encode()) for text in repeated)
        yield from repeated


def real_texts() -> list[str]:
    """The texts of articles and of the benchmarks; none where the data is not at hand."""
    texts = []
    truth = REAL_DATA / "web" / "ground-truth.json"
    if truth.is_file():
        texts += [page["articleBody"] for page in json.loads(truth.read_text()).values()]
    files = (path for path in (REAL_DATA / "benchmarks").glob("*/*") if path.is_file())
    return texts + [path.read_text(encoding="utf-8", errors="ignore") for path in sorted(files)]


def _real_words() -> list[str]:
    return " ".join(real_texts() or [_made_up()]).split()


def _cut(whole: str) -> list[str]:
    return [whole[at : at + _TEXT_CHARACTERS] for at in range(0, len(whole), _TEXT_CHARACTERS)]


def _made_up() -> str:
    """Words of the lengths of English ones, where no real text is at hand."""
    rng = np.random.default_rng(1)
    letters = rng.choice(list("etaoinshrdlu"), 1_000_000)
    ends = np.cumsum(rng.integers(2, 9, 150_000))
    return " ".join("".join(word) for word in np.split(letters, ends) if len(word))
