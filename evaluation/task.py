"""What an evaluation task gets and what it gives back."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from corpus.errors import WebtextError
from evaluation.examples import Example
from evaluation.metric import Metric
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
    """A zero-shot task: what it measures of each example, and what that comes to."""

    name: str
    metrics: tuple[Metric, ...]
    """Its figures, in the order of the score table."""
    measure: Callable[[Subject], Iterator[Example]]
    """Its examples in their order, measured one by one; at least one, or a NoExamplesError."""

    def scores(self, examples: pa.Table, stride: int) -> list[Score]:
        """The task's figures over `examples` (schema EXAMPLES), all of the set or a part of it.

        Args:
            examples: At least one.
            stride: Tokens that a window of a long text scored: named in the protocol.
        """
        num_tokens = sum(examples["num_tokens"].to_pylist())
        return [
            Score(m.name, value, len(examples), num_tokens, m.protocol.format(stride=stride))
            for m in self.metrics
            if (value := m.value(examples)) is not None
        ]


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
