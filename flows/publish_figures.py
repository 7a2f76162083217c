"""Shows a stage's live figures in Prefect while the stage runs, beside the terminal's bar."""

import time
from collections.abc import Mapping

from prefect.artifacts import create_table_artifact

from corpus.runtime import Progress

# Each version of an artifact stays in Prefect's records: the longer a stage runs, the rarer.
_FIRST_AFTER_S = 10.0
_GROWTH = 1.25


class PublishedProgress:
    """A `Progress` that passes all on, and makes an artifact of the figures now and then."""

    def __init__(self, progress: Progress, stage: str) -> None:
        self._progress = progress
        self._stage = stage
        self._began = time.monotonic()
        self._next_after_s = _FIRST_AFTER_S

    def start(self, total: int | None, unit: str) -> None:
        """Pass it on."""
        self._progress.start(total, unit)

    def advance(self, count: int = 1, note: str = "") -> None:
        """Pass it on."""
        self._progress.advance(count, note)

    def report(self, figures: Mapping[str, float]) -> None:
        """Pass it on, and publish it if it is time."""
        self._progress.report(figures)
        elapsed_s = time.monotonic() - self._began
        if elapsed_s < self._next_after_s:
            return
        self._next_after_s = max(elapsed_s * _GROWTH, elapsed_s + _FIRST_AFTER_S)
        create_table_artifact(
            key=f"{self._stage}-live",
            table=[{"what": name, "value": round(value, 2)} for name, value in figures.items()],
            description=f"{self._stage} after {elapsed_s:,.0f} s",
        )
