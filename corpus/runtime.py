"""What a stage may use but must not depend on: workers and someone to tell of progress."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from corpus.runner import ProcessRunner, Runner


class Progress(Protocol):
    """Where a stage reports how far it is; the command line draws it, a test ignores it."""

    def start(self, total: int | None, unit: str) -> None:
        """A stage begins work on `total` units (None: not known), named by their plural."""
        ...

    def advance(self, count: int = 1, note: str = "") -> None:
        """`count` more units are finished; `note` is a short live figure such as 'loss 4.21'."""
        ...

    def report(self, figures: Mapping[str, float]) -> None:
        """What the stage measures while it works, by name with unit: for charts, not for people."""
        ...


class SilentProgress:
    """Nobody is watching."""

    def start(self, total: int | None, unit: str) -> None:
        """Ignore it."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """Ignore it."""

    def report(self, figures: Mapping[str, float]) -> None:
        """Ignore it."""


@dataclass(frozen=True)
class Runtime:
    """How a stage runs on this machine. No part of it may change a byte of the stage's output."""

    workers: int = 1
    """Worker processes that a stage may use."""
    progress: Progress = field(default_factory=SilentProgress)
    runner: Runner = field(default_factory=ProcessRunner)
    """Who does the tasks that a stage hands out."""
