"""Several evaluations side by side: a column per model, and how sure their differences are."""

import hashlib
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Final

from corpus.atomic import write_bytes
from corpus.shards import read_rows
from evaluation.all_tasks import TASKS
from evaluation.evaluate import ScoreRow
from evaluation.examples import example_shards, read_examples
from evaluation.metric import spread
from evaluation.paper import PaperModel
from evaluation.task import Task
from flows.corpora.summary import show_number, show_short
from flows.reports.difference_pages import FOLDER
from flows.reports.gather_scores import (
    Evaluation,
    by_figure,
    gather_scores,
    is_lower_better,
    paper_figure,
    show_signed,
)
from flows.reports.page_template import page_template

_OF_95_PERCENT: Final = 1.96


@dataclass(frozen=True)
class Cell:
    """A model's figure beside the first model's."""

    text: str
    """Empty: it was not measured."""
    is_best: bool
    """Of those that were measured, where it is known which way is better."""
    difference: str
    """From the first model, with half the width of its 95 % interval: `-1.20 ± 0.45`."""


@dataclass(frozen=True)
class ComparedRow:
    """A figure of every model."""

    first: ScoreRow
    """Names it; of the first model that has it."""
    cells: list[Cell]
    """In the order of the models."""
    paper: str


@dataclass(frozen=True)
class Comparison:
    """Models side by side."""

    evaluations: list[Evaluation]
    rows: list[ComparedRow]
    notes: list[str]
    """What a person should know before comparing, a sentence each."""

    @property
    def letters(self) -> dict[str, Evaluation]:
        """The models by the letter that heads their column: names may be long."""
        return dict(zip(string.ascii_uppercase, self.evaluations, strict=False))

    @property
    def paper(self) -> PaperModel:
        """The paper's model to compare with: the nearest in size to the first."""
        return self.evaluations[0].nearest


def compare_scores(folders: Sequence[Path]) -> Comparison:
    """Put finished scores folders side by side.

    A difference is of the same examples, pair by pair: what makes an example hard for both models
    does not widen its interval (to first order, as `Metric.influence`).

    Args:
        folders: At least one; the first is what the others are compared with.

    Raises:
        WebtextError: one is not finished, damaged, or of another version.
    """
    models = [_Measured(gather_scores(folder)) for folder in folders]
    known = [row for model in models for row in model.evaluation.rows]
    firsts = {_key(row): row for row in reversed(known)}
    order = dict.fromkeys(map(_key, known))
    rows = [
        _compared(row, models)
        for group in by_figure([firsts[key] for key in order])
        for row in group
    ]
    return Comparison([model.evaluation for model in models], rows, _notes(models))


def render_comparison(comparison: Comparison, data: Path) -> Path:
    """Write `reports/compare-HASH.html` into the data folder and return its path.

    The hash is that of the models' scores, so the same comparison is the same page.
    """
    names = " ".join(each.folder.name for each in comparison.evaluations)
    name = hashlib.sha256(names.encode()).hexdigest()[:12]
    html = page_template("comparison").render(
        comparison=comparison,
        version=version("webtext"),
        sizes={
            letter: "" if each.num_parameters is None else show_short(each.num_parameters)
            for letter, each in comparison.letters.items()
        },
    )
    path = data / FOLDER / f"compare-{name}.html"
    write_bytes(path, html.encode())
    return path


Key = tuple[str, str, str]
"""Task, variant and metric of a row."""


@dataclass(frozen=True)
class _Measured:
    """A model's evaluation and where its examples lie."""

    evaluation: Evaluation

    @cached_property
    def rows(self) -> dict[Key, ScoreRow]:
        return {_key(row): row for row in self.evaluation.rows}

    @cached_property
    def shards(self) -> Mapping[tuple[str, str], Path]:
        """By task and variant."""
        return {
            (task, next(iter(read_rows(path, ["variant"])))["variant"]): path
            for task, path in example_shards(self.evaluation.folder)
        }

    def input(self, role: str) -> str | None:
        """The hash of what it was measured on."""
        found = self.evaluation.manifest.inputs.get(role)
        return None if found is None else found.hash


def _key(row: ScoreRow) -> Key:
    return row.task, row.variant, row.metric


def _compared(first: ScoreRow, models: Sequence[_Measured]) -> ComparedRow:
    rows = [model.rows.get(_key(first)) for model in models]
    is_like = [_is_comparable(first.task, models[0], model) for model in models]
    values = [row.value for row in rows if row is not None]
    best = _best(first.metric, values) if all(is_like) else None
    cells = [
        Cell(
            "" if row is None else show_number(row.value) + ("*" if row.is_partial else ""),
            row is not None and row.value == best,
            _difference(_key(first), models[0], model) if like and model is not models[0] else "",
        )
        for row, model, like in zip(rows, models, is_like, strict=True)
    ]
    paper = paper_figure(first, models[0].evaluation.nearest)
    return ComparedRow(first, cells, show_number(paper))


def _best(metric: str, values: Sequence[float]) -> float | None:
    is_lower = is_lower_better(metric)
    if is_lower is None or len(values) < 2:
        return None
    return min(values) if is_lower else max(values)


def _difference(key: Key, first: _Measured, other: _Measured) -> str:
    ours, theirs = first.rows.get(key), other.rows.get(key)
    if ours is None or theirs is None or ours.num_examples != theirs.num_examples:
        return ""
    task, variant, metric_name = key
    pairs = [read_examples(model.shards[task, variant], _task(task)) for model in (first, other)]
    metric = next(each for each in _task(task).metrics if each.name == metric_name)
    pulls = [metric.influence(examples) for examples in pairs]
    error = _OF_95_PERCENT * spread(pulls[1] - pulls[0])
    return show_signed(theirs.value - ours.value) + (f" ± {show_number(error)}" if error else "")


def _task(name: str) -> Task:
    return next(task for task in TASKS.values() if task.name == name)


def _is_comparable(task: str, first: _Measured, other: _Measured) -> bool:
    role = "tokens" if task == "heldout" else "benchmarks"
    return first.input(role) == other.input(role)


def _notes(models: Sequence[_Measured]) -> list[str]:
    notes = []
    if len({model.input("tokens") for model in models}) > 1:
        notes.append("heldout: the models were scored on different corpora, so no one is better.")
    if len({model.input("benchmarks") for model in models}) > 1:
        notes.append("The models were scored on different benchmark folders.")
    if any(model.evaluation.is_partial for model in models):
        notes.append("* only the first examples of the set")
    return notes
