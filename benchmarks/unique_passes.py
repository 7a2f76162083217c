"""What each pass of the stage `unique` takes, on documents made from real articles."""

import hashlib
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from corpus.runtime import Runtime, SilentProgress
from corpus.schema import DOCUMENTS
from corpus.settings import Section
from corpus.shards import shard_name
from corpus.stage import StageWriter
from dedup.unique.stage import DedupConfig, run

_SHARD_ROWS = 5_000
_FIRST_DAY = datetime(2005, 6, 1, tzinfo=UTC)


class _NoConfig(Section):
    """The documents here come from no real stage."""


class _PassTimes(SilentProgress):
    """The seconds between a pass's first note and its last, by note."""

    def __init__(self) -> None:
        self.ended: dict[str, float] = {}
        self.began = time.perf_counter()

    def advance(self, count: int = 1, note: str = "") -> None:
        """Take the time."""
        self.ended[note] = time.perf_counter()


def measure_passes(texts: list[str], num_documents: int, folder: Path) -> dict[str, float]:
    """Documents per second of each pass with one worker, and how many were compared."""
    documents = folder / "documents"
    writer = StageWriter("documents", _NoConfig(), {}, documents)
    for index, first in enumerate(range(0, num_documents, _SHARD_ROWS)):
        last = min(first + _SHARD_ROWS, num_documents)
        writer.write(shard_name("documents", index), _rows(texts, first, last), DOCUMENTS)
    writer.finish(num_documents)
    run(DedupConfig(), {"documents": documents}, folder / "warm", Runtime())  # loads the kernels
    times = _PassTimes()
    manifest = run(
        DedupConfig(), {"documents": documents}, folder / "timed", Runtime(progress=times)
    )
    ends = [times.began, *times.ended.values()]
    rates = {
        f"{note}_documents_per_s": num_documents / (ends[i + 1] - ends[i])
        for i, note in enumerate(times.ended)
    }
    return {
        **rates,
        "num_documents": num_documents,
        "num_unique": manifest.counts.out,
        "num_candidates": float(manifest.figures["num_candidates"]),
        "num_compared_pairs": float(manifest.figures["num_compared_pairs"]),
    }


def _rows(texts: list[str], first: int, last: int) -> Iterator[dict]:
    for number in range(first, last):
        rng = random.Random(number)
        # One in ten repeats one before it, and one in ten all but 2 % of it.
        kind = number % 10
        words = _words(texts, number - kind if kind in {8, 9} else number)
        if kind == 9:
            for i in rng.sample(range(len(words)), max(1, len(words) // 200)):
                words[i] = "changed"
        url = f"http://example.org/{number}"
        yield {
            "id": hashlib.sha256(url.encode()).hexdigest()[:16],
            "url": url,
            "domain": "example.org",
            "first_seen": _FIRST_DAY + timedelta(hours=rng.randrange(100_000)),
            "title": "",
            "text": " ".join(words),
        }


def _words(texts: list[str], number: int) -> list[str]:
    """An article of which every third word is of another: it shares hardly a shingle with it."""
    rng = random.Random(-number)
    words = texts[number % len(texts)].split()
    others = rng.choice(texts).split()
    for i in rng.sample(range(len(words)), len(words) // 3):
        words[i] = others[i % len(others)]
    return words
