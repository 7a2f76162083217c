"""The stages of a command as JSON lines on stderr: for who collects logs, not for people."""

import time
from collections.abc import Mapping

from corpus.json_log import write_json
from corpus.runtime import Progress

_LINE_EVERY_S = 10.0


class JsonDisplay:
    """A line when a stage begins, every ten seconds, and when it ends."""

    def stage(self, name: str) -> Progress:
        """Say that it begins."""
        write_json("info", "begins", stage=name, event="started")
        return _JsonProgress(name)

    def done(self, name: str, outcome: str) -> None:
        """Say what came of it."""
        write_json("info", outcome, stage=name, event="done")

    def warn(self, name: str, problem: str) -> None:
        """Say it."""
        write_json("warning", problem, stage=name)

    def failed(self, name: str, problem: str) -> None:
        """Say it."""
        write_json("error", problem, stage=name, event="failed")


class _JsonProgress:
    def __init__(self, name: str) -> None:
        self._name = name
        self._total: int | None = None
        self._unit = ""
        self._done = 0
        self._started = self._said = time.monotonic()

    def start(self, total: int | None, unit: str) -> None:
        self._total, self._unit, self._done = total, unit, 0
        self._started = self._said = time.monotonic()

    def advance(self, count: int = 1, note: str = "") -> None:
        self._done += count
        now = time.monotonic()
        if now - self._said < _LINE_EVERY_S:
            return
        self._said = now
        write_json(
            "info",
            note or "at work",
            stage=self._name,
            event="progress",
            done=self._done,
            total=self._total,
            unit=self._unit,
            rate_per_s=round(self._done / (now - self._started), 3),
        )

    def report(self, figures: Mapping[str, float]) -> None:
        pass
