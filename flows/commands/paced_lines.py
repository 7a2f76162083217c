"""A stage's progress as lines, of whatever form, ten seconds apart."""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping

LINE_EVERY_S = 10.0


class PacedLines(ABC):
    """Counts what is done, and says so now and then."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._total: int | None = None
        self._unit = ""
        self._done = 0
        self._started = self._said = time.monotonic()

    def start(self, total: int | None, unit: str) -> None:
        """As `Progress.start`."""
        self._total, self._unit, self._done = total, unit, 0
        self._started = self._said = time.monotonic()

    def advance(self, count: int = 1, note: str = "") -> None:
        """As `Progress.advance`."""
        self._done += count
        now = time.monotonic()
        if now - self._said >= LINE_EVERY_S:
            self._said = now
            self._say(self._done / (now - self._started), note)

    def report(self, figures: Mapping[str, float]) -> None:
        """As `Progress.report`."""
        del figures  # lines show none

    @abstractmethod
    def _say(self, rate: float, note: str) -> None:
        """Write the line; `rate` in units a second."""
