"""What an evaluation task gets and what it gives back."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from corpus.errors import WebtextError
from evaluation.metric import Metric
from evaluation.scoring.scorer import Scorer

Row = Mapping[str, int | float | bool | str | None]
"""What a task measured of an example: `nats`, `num_tokens`, and the task's own columns."""


class Tokenizer(Protocol):
    """What a task needs of a tokenizer."""

    @property
    def vocab_size(self) -> int:
        """Token ids are below it."""
        ...

    @property
    def end_of_text(self) -> int:
        """The token between two texts."""
        ...

    def encode(self, text: str) -> list[int]:
        """The token ids of `text`."""
        ...

    def decode(self, token_ids: list[int] | np.ndarray) -> str:
        """The text of token ids."""
        ...

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """What each token stands for."""
        ...


@dataclass(frozen=True)
class Subject:
    """A model under examination, and where the tasks find their texts."""

    scorer: Scorer
    tokenizer: Tokenizer
    tokens: Path | None
    """The tokens folder whose val split the model has not seen."""
    benchmarks: Path | None
    max_examples: int | None
    """Score the first so many examples of each task; None is all."""


@dataclass(frozen=True)
class Score:
    """One figure of a task."""

    metric: str
    value: float
    low: float | None
    """The ends of its bootstrap interval (95 %); None: the examples do not tell."""
    high: float | None
    num_examples: int
    num_tokens: int
    """Tokens that were scored, or written, for it."""
    description: str
    """What exactly was measured, so that two figures can be compared."""


@dataclass(frozen=True)
class Variant:
    """One way to put a task to a model, where the paper is silent or others do it otherwise."""

    name: str
    description: str
    measure: Callable[[Subject], Iterator[Row]]
    """The examples in their order, measured one by one; at least one, or a NoExamplesError."""


@dataclass(frozen=True)
class Task:
    """A zero-shot task: what it measures of each example, and what that comes to."""

    name: str
    version: int
    """Raised by a change that makes other figures of the same texts."""
    columns: tuple[tuple[str, pa.DataType], ...]
    """What it measures of an example beside `nats` and `num_tokens`."""
    metrics: tuple[Metric, ...]
    """Its figures, in the order of the score table."""
    variants: tuple[Variant, ...]
    """The nearest to the paper first."""
    is_rolling: bool = False
    """Whether it scores long texts in windows, whose stride matters."""
    text_set: str | None = None
    """Its texts in the overlap report, where that has another name for them."""

    def scores(self, examples: pa.Table, variant: str) -> list[Score]:
        """The task's figures over `examples`, all of the set or a part of it.

        Args:
            examples: At least one, in the columns of `examples_schema`.
            variant: What the examples were measured by, in words.
        """
        num_tokens = sum(examples["num_tokens"].to_pylist())
        found = []
        for metric in self.metrics:
            value = metric.value(examples)
            if value is not None:
                low, high = metric.interval(examples) or (None, None)
                words = ", ".join(filter(None, [metric.description, variant]))
                counts = (len(examples), num_tokens)
                found.append(Score(metric.name, value, low, high, *counts, words))
        return found


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


def nothing_to_score() -> WebtextError:
    """The error for a file without a text."""
    return NoExamplesError("the file is empty", hint="Get the published file again.")
