"""metrics.jsonl: what a long stage measured as it went, one JSON object with a `step` per line."""

import os
from collections.abc import Mapping
from pathlib import Path

import orjson

from corpus.atomic import no_room_named

METRICS = "metrics.jsonl"


def append_metrics(folder: Path, line: Mapping[str, object]) -> None:
    """Add a line; it is on disk when this returns, whatever happens then.

    Raises:
        WebtextError: no space left.
    """
    path = folder / METRICS
    with no_room_named(path), path.open("ab") as lines:
        lines.write(orjson.dumps(line) + b"\n")
        lines.flush()
        os.fsync(lines.fileno())


def read_metrics(folder: Path) -> list[dict]:
    """The lines of a folder's metrics, in order; a line torn by a kill ends them."""
    path = folder / METRICS
    if not path.is_file():
        return []
    metrics: list[dict] = []
    with path.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                break
            metrics.append(orjson.loads(line))
    return metrics
