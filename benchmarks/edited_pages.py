"""Real article texts, and copies of them with edits of known kind and size."""

import json
import random
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

SHARES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.6)
"""Share of a text's words that an edit changes."""
MIN_WORDS = 100

Edit = Callable[[list[str], int, random.Random], list[str]]
_NEW_WORDS = [f"{a}{b}" for a in ("lo", "mi", "ra", "ten", "vos") for b in ("dan", "kel", "rus")]


class EditedText(NamedTuple):
    """A text, and what was done to it."""

    kind: str
    share: float
    text: str


def article_texts(real_data: Path) -> list[str]:
    """The gold texts of the real pages that have enough words to be edited by a half percent."""
    truth = json.loads((real_data / "web" / "ground-truth.json").read_bytes())
    texts = [truth[key]["articleBody"] for key in sorted(truth)]
    return [text for text in texts if len(text.split()) >= MIN_WORDS]


def edited_texts(text: str, seed: int, shares: tuple[float, ...] = SHARES) -> Iterator[EditedText]:
    """The text itself, then an edited copy for each kind and share."""
    yield EditedText("original", 0.0, text)
    rng = random.Random(seed)
    words = text.split()
    for kind, edit in _EDITS.items():
        for share in shares:
            num_words = max(1, round(share * len(words)))
            yield EditedText(kind, share, " ".join(edit(words, num_words, rng)))


def shingle_set(text: str, n: int) -> set[tuple[str, ...]]:
    """The distinct n-grams of words of a text, in plain Python."""
    letters = (c if c.isalnum() else " " for c in unicodedata.normalize("NFC", text).lower())
    words = "".join(letters).split()
    return set(zip(*(words[i:] for i in range(n)), strict=False))


def _substitute(words: list[str], num_words: int, rng: random.Random) -> list[str]:
    changed = list(words)
    for i in rng.sample(range(len(words)), num_words):
        changed[i] = _new_word(rng)
    return changed


def _insert(words: list[str], num_words: int, rng: random.Random) -> list[str]:
    changed = list(words)
    for _ in range(num_words):
        changed.insert(rng.randrange(len(changed) + 1), _new_word(rng))
    return changed


def _delete(words: list[str], num_words: int, rng: random.Random) -> list[str]:
    gone = set(rng.sample(range(len(words)), num_words))
    return [word for i, word in enumerate(words) if i not in gone]


def _replace_block(words: list[str], num_words: int, rng: random.Random) -> list[str]:
    start = rng.randrange(len(words) - num_words + 1)
    return words[:start] + _new_words(num_words, rng) + words[start + num_words :]


def _move_block(words: list[str], num_words: int, rng: random.Random) -> list[str]:
    start = rng.randrange(len(words) - num_words + 1)
    rest = words[:start] + words[start + num_words :]
    place = rng.randrange(len(rest) + 1)
    return rest[:place] + words[start : start + num_words] + rest[place:]


def _add_boilerplate(words: list[str], num_words: int, rng: random.Random) -> list[str]:
    head = num_words // 2
    return _new_words(head, rng) + words + _new_words(num_words - head, rng)


def _truncate(words: list[str], num_words: int, rng: random.Random) -> list[str]:
    return words[: len(words) - num_words]


def _shuffle_blocks(words: list[str], num_words: int, rng: random.Random) -> list[str]:
    """As many cuts as words in the share: each breaks the shingles that span it."""
    cuts = sorted(rng.sample(range(1, len(words)), min(num_words, len(words) - 1)))
    blocks = [words[a:b] for a, b in zip([0, *cuts], [*cuts, len(words)], strict=True)]
    rng.shuffle(blocks)
    return [word for block in blocks for word in block]


def _new_words(count: int, rng: random.Random) -> list[str]:
    return [_new_word(rng) for _ in range(count)]


def _new_word(rng: random.Random) -> str:
    return rng.choice(_NEW_WORDS) + rng.choice(_NEW_WORDS)


_EDITS: dict[str, Edit] = {
    "substitute": _substitute,
    "insert": _insert,
    "delete": _delete,
    "replace_block": _replace_block,
    "move_block": _move_block,
    "shuffle_blocks": _shuffle_blocks,
    "add_boilerplate": _add_boilerplate,
    "truncate": _truncate,
}
