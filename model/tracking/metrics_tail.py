"""The lines of a growing metrics.jsonl as batches for MLflow, read a piece at a time."""

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import orjson

from corpus.metrics import METRICS

if TYPE_CHECKING:
    from mlflow.entities import Metric

logger = logging.getLogger(__name__)

_METRICS_PER_CALL = 1000  # MLflow takes no more in one call
_NAMES = {"val_loss": "val/loss"}
_NO_METRICS = {"step", "time"}


@dataclass(frozen=True)
class Batch:
    """The measurements of some steps, each step whole."""

    metrics: list["Metric"]
    last_step: int
    end: int
    """Where the next batch begins, in bytes."""


class MetricsTail:
    """Reads what was added to a folder's metrics.jsonl; a file that was put anew is read anew.

    A batch that was not accepted comes again with the same times: MLflow keeps one of two equal
    measurements, so a batch whose answer got lost is stored once.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        self._path = folder / METRICS
        self._kind = kind
        self._offset = 0
        self._inode = 0
        self._batch: Batch | None = None

    def next_batch(self, after: int) -> Batch | None:
        """The next steps beyond `after`, 1,000 measurements at most; None: nothing new."""
        if self._batch is None and self._path.is_file():
            with self._path.open("rb") as file:
                self._find_place(file)
                self._batch = self._read(file, after)
        return self._batch

    def accept(self) -> None:
        """The batch has arrived."""
        if self._batch is not None:
            self._offset, self._batch = self._batch.end, None

    def _find_place(self, file: BinaryIO) -> None:
        state = os.fstat(file.fileno())
        if state.st_ino != self._inode or state.st_size < self._offset:
            self._inode, self._offset = state.st_ino, 0  # a resumed training writes it anew
        file.seek(self._offset)

    def _read(self, file: BinaryIO, after: int) -> Batch | None:
        metrics: list[Metric] = []
        end, last_step = self._offset, after
        for raw in file:
            line = _parse(raw) if raw.endswith(b"\n") else None
            if line is None:  # still being written
                break
            step = line.get("step", 0)
            new = self._to_mlflow(line, step) if step > after else []
            if len(metrics) + len(new) > _METRICS_PER_CALL:
                break
            metrics += new
            end += len(raw)
            last_step = max(last_step, step)
        if not metrics:
            self._offset = end
            return None
        return Batch(metrics, last_step, end)

    def _to_mlflow(self, line: Mapping, step: int) -> list["Metric"]:
        return [
            to_metric(_NAMES.get(key, f"{self._kind}/{key}"), value, step, line.get("time"))
            for key, value in line.items()
            if key not in _NO_METRICS and isinstance(value, int | float)
        ][:_METRICS_PER_CALL]


def _parse(raw: bytes) -> dict:
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError:
        line = None
    if not isinstance(line, dict):
        logger.warning("a line of metrics that is none: %r", raw[:80])
        return {}
    return line


def to_metric(name: str, value: float, step: int, time_s: float | None = None) -> "Metric":
    """A measurement as MLflow takes it.

    Args:
        name: Its name.
        value: What was measured.
        step: When, in steps.
        time_s: When, in seconds since 1970; None: now.
    """
    from mlflow.entities import Metric

    return Metric(name, float(value), int((time_s or time.time()) * 1000), step)
