"""A labelled contamination set: real benchmark items hidden in real articles, in known ways.

Per kind, some items are planted, each in an article of its own, and as many are not: what is told
of those is false. The decoys' items are never planted; what resembles them is.
"""

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Final

import orjson

from corpus.benchmarks.language_modeling import lambada_passages

NUM_PLANTED: Final = 12
NUM_BOILERPLATE_DOCUMENTS: Final = 12
MEGABYTE: Final = 1 << 20
BOILERPLATE: Final = (
    "Sign up for our free newsletter today and never miss another story from our newsroom again."
)

Disguise = Callable[[list[str], random.Random], str]
"""What becomes of an item's words before they are planted."""


@dataclass(frozen=True)
class ContaminationSet:
    """Documents, benchmark items by kind, and which item is in which document."""

    documents: dict[str, str]
    """Text by URL."""
    items: dict[str, list[str]]
    planted: dict[str, dict[int, str]]
    """By kind: URL of the document that holds the item of this number."""

    def write_items(self, folder: Path) -> dict[str, Path]:
        """A file of items per kind, by the role that stages know it by."""
        folder.mkdir()
        roles: dict[str, Path] = {}
        for number, (kind, items) in enumerate(self.items.items()):
            path = folder / f"{kind}.jsonl"
            path.write_bytes(b"".join(orjson.dumps({"text": text}) + b"\n" for text in items))
            roles[f"texts-{number:02d}"] = path
        return roles


def _verbatim(words: list[str], _: random.Random) -> str:
    return " ".join(words)


def _recased(words: list[str], rng: random.Random) -> str:
    return " ".join(rng.choice((word.upper(), word.title(), word.swapcase())) for word in words)


def _repunctuated(words: list[str], rng: random.Random) -> str:
    # Within a word an apostrophe makes two words of it: only what stands around it is changed.
    bare = (word.strip(".,;:!?\"`'-") or "-" for word in words)
    return " ".join(word + rng.choice(("", ",", " —", "!", "…", " ”")) for word in bare)


def _respaced(words: list[str], rng: random.Random) -> str:
    return "".join(word + rng.choice(("  ", "\t", "\n", "\u00a0", " \u2009 ")) for word in words)


def _across_paragraphs(words: list[str], _: random.Random) -> str:
    lines = [" ".join(words[i : i + 5]) for i in range(0, len(words), 5)]
    return "\n\n".join(lines)


def _first_half(words: list[str], _: random.Random) -> str:
    return " ".join(words[: len(words) // 2])


def _last_half(words: list[str], _: random.Random) -> str:
    return " ".join(words[len(words) // 2 :])


def _other_order(words: list[str], rng: random.Random) -> str:
    return " ".join(rng.sample(words, len(words)))


def _every_7th_changed(words: list[str], _: random.Random) -> str:
    # Words as an n-gram has them: "don't" is two.
    number = count(1)
    return re.sub(r"[^\W_]+", lambda m: m[0] if next(number) % 7 else "otherwise", " ".join(words))


DISGUISES: Final[dict[str, Disguise]] = {
    "verbatim": _verbatim,
    "recased": _recased,
    "repunctuated": _repunctuated,
    "respaced": _respaced,
    "across_paragraphs": _across_paragraphs,
    "first_half": _first_half,
    "last_half": _last_half,
    "megabyte": _verbatim,
    "words_8_to_12": _verbatim,
    "words_4_to_7": _verbatim,
}
DECOYS: Final[dict[str, Disguise]] = {
    "other_order": _other_order,
    "every_7th_changed": _every_7th_changed,
}
BOILERPLATE_DECOY: Final = "boilerplate"
_NUM_WORDS: Final = {"words_8_to_12": (8, 12), "words_4_to_7": (4, 7)}


def make_contamination_set(data: Path) -> ContaminationSet:
    """The set, the same every time.

    Args:
        data: The folder of real data: articles and LAMBADA.
    """
    rng = random.Random(5)
    articles = _articles(data)
    passages = iter(list(lambada_passages(data / "benchmarks")))
    made = ContaminationSet({}, {}, {})
    for kind, disguise in (DISGUISES | DECOYS).items():
        items = [_item(text, kind, rng) for text in islice(passages, 2 * NUM_PLANTED)]
        made.items[kind] = items
        made.planted[kind] = {}
        for number, item in enumerate(items[:NUM_PLANTED]):
            url = f"http://{kind}.example/{number}"
            article = rng.choice(articles)
            if kind == "megabyte":
                article = "\n\n".join(rng.choices(articles, k=MEGABYTE // 4000))
            made.documents[url] = _plant(disguise(item.split(), rng), article)
            if kind in DISGUISES:
                made.planted[kind][number] = url
    _add_boilerplate(made, list(islice(passages, NUM_PLANTED)), articles)
    return made


def _add_boilerplate(made: ContaminationSet, items: list[str], articles: list[str]) -> None:
    """Items that end with a sentence of many documents, and are in none of them."""
    made.items[BOILERPLATE_DECOY] = [f"{item} {BOILERPLATE}" for item in items]
    made.planted[BOILERPLATE_DECOY] = {}
    for number in range(NUM_BOILERPLATE_DOCUMENTS):
        url = f"http://{BOILERPLATE_DECOY}.example/{number}"
        made.documents[url] = f"{articles[number]}\n\n{BOILERPLATE}"


def _articles(data: Path) -> list[str]:
    gold = json.loads((data / "web" / "ground-truth.json").read_text())
    bodies = [gold[key]["articleBody"] for key in sorted(gold)]
    return [body for body in bodies if len(body) > 1000]


def _item(text: str, kind: str, rng: random.Random) -> str:
    words = text.split()
    if kind not in _NUM_WORDS:
        return " ".join(words)
    # Words without punctuation, so that they are as many as they seem.
    bare = [word for word in words if word.isalnum()]
    return " ".join(bare[: rng.randint(*_NUM_WORDS[kind])])


def _plant(text: str, article: str) -> str:
    paragraphs = article.split("\n\n")
    middle = len(paragraphs) // 2
    return "\n\n".join([*paragraphs[:middle], text, *paragraphs[middle:]])
