"""What an evaluation task gets and what it gives back."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from corpus.errors import WebtextError
from evaluation.scorer import Scorer


class Tokenizer(Protocol):
    """What a task needs of a tokenizer."""

    def encode(self, text: str) -> list[int]:
        """The token ids of `text`."""
        ...


@dataclass(frozen=True)
class Subject:
    """A model under examination, and where the tasks find their texts."""

    scorer: Scorer
    tokenizer: Tokenizer
    tokens: Path
    """The tokens folder whose val split the model has not seen."""
    benchmarks: Path | None
    max_examples: int | None
    """Score the first so many examples of each task; None is all."""


@dataclass(frozen=True)
class Score:
    """One figure of a task."""

    metric: str
    value: float
    num_examples: int
    num_tokens: int
    """Tokens that were scored for it."""
    protocol: str
    """What exactly was measured, so that two figures can be compared."""


@dataclass(frozen=True)
class Task:
    """A zero-shot task: what it measures, and the function that measures it."""

    name: str
    metrics: tuple[str, ...]
    score: Callable[[Subject], list[Score]]
    """A score per metric, in their order."""


class NoExamplesError(WebtextError):
    """A task's texts are not there, and that is no fault: its scores are named as missing."""


def benchmarks_folder(subject: Subject) -> Path:
    """The folder of the published files.

    Raises:
        NoExamplesError: none was named.
    """
    if subject.benchmarks is None:
        raise NoExamplesError(
            "no benchmarks folder was named",
            hint="Name one with the published files: benchmarks = DIR in the recipe.",
        )
    return subject.benchmarks
