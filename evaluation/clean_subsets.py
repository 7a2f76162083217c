"""What contamination does to the scores: each figure on all, dirty and clean examples apart.

The comparison of GPT-3's table C.1 (Brown et al. 2020, appendix C), for its rule of what is dirty
and for the one that the GPT-2 paper uses of LAMBADA (section 4).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from corpus.errors import WebtextError
from corpus.manifest import read_manifest
from corpus.shards import read_rows
from corpus.stage import data_shards
from evaluation.all_tasks import TASKS
from evaluation.examples import example_shards, read_examples
from evaluation.metric import Metric, spread
from evaluation.task import Task

# Both name an example and its n-grams in the same columns: the stages "overlap" and "matches".
_SHARDS: Final = ("overlap-", "counts-")
_COLUMNS: Final = ["text_set", "example", "num_ngrams", "num_found"]

# With fewer dirty or clean examples than this a standard error is itself a guess.
_MIN_EXAMPLES: Final = 10


@dataclass(frozen=True)
class Rule:
    """When an example counts as dirty."""

    name: str
    over_percent: float
    """More of its n-grams than this, in percent, are in the training split."""


RULES: Final = (Rule("any overlap", 0), Rule("over 15 %", 15))


@dataclass(frozen=True)
class SubsetScore:
    """A figure of some of a task's examples."""

    num_examples: int
    num_units: float
    """What the figure is a mean over: passages, tokens or words."""
    value: float | None
    """None: there is no such example."""
    standard_error: float | None
    """One sigma; None: there are too few examples to tell, or they are all alike."""


@dataclass(frozen=True)
class CleanSubsetRow:
    """One figure under one rule: all = dirty + clean + unknown, in examples and in units."""

    task: str
    metric: str
    rule: str
    all_examples: SubsetScore
    dirty: SubsetScore
    clean: SubsetScore
    unknown: SubsetScore
    """Examples whose overlap nobody measured: most are shorter than an n-gram."""
    relative_difference: float | None
    """(clean - all) / all: -0.05 says that the figure is 5 % lower without dirty examples."""
    relative_difference_error: float | None
    """One sigma of that (clean examples are among all, and that is reckoned with); None: fewer
    than ten examples are dirty, or fewer than ten clean."""

    @property
    def exceeds_noise(self) -> bool:
        """Whether the difference is over two sigma: what is below is no finding."""
        difference, error = self.relative_difference, self.relative_difference_error
        return difference is not None and error is not None and abs(difference) > 2 * error


@dataclass(frozen=True)
class CleanSubsets:
    """The comparison of one evaluation with one overlap report."""

    rows: list[CleanSubsetRow]
    """By task, metric and rule."""
    missing: dict[str, str]
    """Tasks that were scored and cannot be split, with the reason."""
    problems: list[str]
    """What a person should know before believing the rows, a sentence each."""


def clean_subsets(scores: Path, overlap: Path) -> CleanSubsets:
    """Split each task's examples by their overlap, and score the parts.

    Args:
        scores: A finished folder of the stage "scores".
        overlap: A finished folder of the stage "overlap" or "matches", of the corpus that the
            model was trained on.

    Raises:
        WebtextError: a folder is not finished, damaged, of an older version or of another stage.
    """
    tasks = {task.name: task for task in TASKS.values()}
    percents = overlap_percents(read_overlap(overlap))
    differing = _differing_inputs(scores, overlap)
    missing: dict[str, str] = {}
    rows: list[CleanSubsetRow] = []
    for name, shard in example_shards(scores):
        if name not in tasks:
            missing[name] = "it was scored by another version, which had such a task"
            continue
        text_set = tasks[name].text_set or name
        if text_set not in percents:
            missing[name] = "its overlap was not measured"
        elif name == "heldout" and "tokens" in differing:
            missing[name] = "the overlap is that of another corpus's held-out split"
        elif name not in {row.task for row in rows}:  # of several variants the first
            examples = read_examples(shard, tasks[name])
            rows += compare_subsets(tasks[name], examples, percents[text_set])
    return CleanSubsets(rows, missing, _problems(differing))


def read_overlap(folder: Path) -> Iterator[dict]:
    """The rows of an overlap report: text_set, example, num_ngrams, num_found.

    Raises:
        WebtextError: the folder is not finished, damaged, or of another stage.
    """
    shards = [path for prefix in _SHARDS for path in data_shards(folder, prefix)]
    if not shards:
        raise WebtextError(
            f"{folder} holds no overlap report", hint="Give a folder that webtext overlap made."
        )
    for path in shards:
        yield from read_rows(path, _COLUMNS)


def overlap_percents(rows: Iterable[Mapping]) -> dict[str, dict[int, float]]:
    """How much of each example is in the training split: {text set: {example: percent}}.

    An example's parts count together. One without a single n-gram is left out: nobody knows.
    """
    counts: dict[str, dict[int, tuple[int, int]]] = {}
    for row in rows:
        of_set = counts.setdefault(row["text_set"], {})
        num_ngrams, num_found = of_set.get(row["example"], (0, 0))
        of_set[row["example"]] = num_ngrams + row["num_ngrams"], num_found + row["num_found"]
    return {
        name: {i: 100 * found / total for i, (total, found) in of_set.items() if total}
        for name, of_set in counts.items()
    }


def compare_subsets(
    task: Task, examples: pa.Table, percents: Mapping[int, float], rules: tuple[Rule, ...] = RULES
) -> list[CleanSubsetRow]:
    """A row for each of the task's metrics and each rule.

    Args:
        task: Whose formulas score the parts, the same as score the whole.
        examples: What it measured of each example (schema EXAMPLES).
        percents: The overlap of each example by its number; one that is not there is unknown.
        rules: What counts as dirty.
    """
    # CoQA's questions are the examples, its conversations what overlaps.
    column = "overlap_example" if "overlap_example" in examples.column_names else "example"
    # Compared with NaN, an example is neither dirty nor clean.
    found = np.array([percents.get(i, np.nan) for i in examples[column].to_pylist()], float)
    return [
        _row(task.name, metric, rule, examples, found) for metric in task.metrics for rule in rules
    ]


def _row(
    task: str, metric: Metric, rule: Rule, examples: pa.Table, found: np.ndarray
) -> CleanSubsetRow:
    is_dirty, is_clean = found > rule.over_percent, found <= rule.over_percent
    difference, error = _relative_difference(metric, examples, is_clean)
    if min(is_dirty.sum(), is_clean.sum()) < _MIN_EXAMPLES:
        error = None
    return CleanSubsetRow(
        task=task,
        metric=metric.name,
        rule=rule.name,
        all_examples=_score(metric, examples),
        dirty=_score(metric, examples.filter(is_dirty)),
        clean=_score(metric, examples.filter(is_clean)),
        unknown=_score(metric, examples.filter(np.isnan(found))),
        relative_difference=difference,
        relative_difference_error=error,
    )


def _score(metric: Metric, examples: pa.Table) -> SubsetScore:
    return SubsetScore(
        num_examples=len(examples),
        num_units=metric.num_units(examples),
        value=metric.value(examples),
        standard_error=metric.standard_error(examples),
    )


def _relative_difference(
    metric: Metric, examples: pa.Table, is_clean: np.ndarray
) -> tuple[float | None, float | None]:
    """(clean - all) / all, and its standard error."""
    of_clean = examples.filter(is_clean)
    whole, clean = metric.value(examples), metric.value(of_clean)
    if not whole or clean is None:
        return None, None
    # Of a quotient c / w an example's pull is c' / w - c w' / w^2, with its pulls on c and w.
    influence = -clean / whole * metric.influence(examples)
    influence[is_clean] += metric.influence(of_clean)
    return clean / whole - 1, spread(influence / whole)


def _differing_inputs(scores: Path, overlap: Path) -> set[str]:
    """The roles of inputs that both folders name and that are not the same."""
    ours, theirs = read_manifest(scores).inputs, read_manifest(overlap).inputs
    return {role for role in ours.keys() & theirs.keys() if ours[role].hash != theirs[role].hash}


def _problems(differing: set[str]) -> list[str]:
    problems = {
        "tokens": "the overlap is that of another corpus than the one that was evaluated on",
        "benchmarks": "scores and overlap were measured on different benchmark folders: if a "
        "set in them differs, its examples are mixed up",
    }
    return [problem for role, problem in problems.items() if role in differing]
