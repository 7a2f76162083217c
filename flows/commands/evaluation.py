"""The command `webtext evaluate`: score models zero-shot, beside the paper and side by side."""

import difflib
import string
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from corpus.errors import UsageError
from corpus.manifest import is_finished
from flows.commands.complete import complete_tasks
from flows.commands.flow_session import flow_session
from flows.commands.options import (
    DATA,
    Benchmarks,
    Data,
    Overrides,
    RunnerName,
    console,
    with_benchmarks,
    with_runner,
)

if TYPE_CHECKING:
    from rich.table import Table

    from flows.reports.compare_scores import Comparison

_BOTH_STRIDES = "[1024, 32]"


def evaluate(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            help="A run: its folder, or the beginning of its id. Or a checkpoint or Hugging Face "
            "folder, or a model of the hub. Several with --compare.",
        ),
    ],
    benchmarks: Benchmarks = None,
    tasks: Annotated[
        str | None,
        typer.Option(
            metavar="TASK,TASK",
            help="Only these tasks; by default all.",
            autocompletion=complete_tasks,
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="The first N examples of each task: a quick look."),
    ] = None,
    grid: Annotated[
        bool, typer.Option("--grid", help="Other known protocols too, not only the nearest.")
    ] = False,
    corpus: Annotated[
        str | None,
        typer.Option(
            metavar="CORPUS",
            help="Score the held-out split of this corpus; by default of the run's own.",
        ),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Put several models side by side.")
    ] = False,
    recipe: Annotated[str, typer.Option(help="Recipe with the [evaluate] section.")] = "webtext",
    data: Data = DATA,
    runner: RunnerName = None,
    overrides: Overrides = None,
) -> None:
    """Score models zero-shot on the paper's tasks.

    Each figure with its 95 % interval, the paper's of the model nearest in size, and a page that
    names every protocol. A set whose files are not there is named with where to get it. What was
    scored is not scored again; a stopped command goes on where it was.
    """
    from flows.recipe import load_recipe

    _check_number(models, is_compared=compare)
    given = [*_task_overrides(tasks), *_option_overrides(limit, is_grid=grid)]
    loaded = load_recipe(
        recipe, [*with_runner(with_benchmarks(overrides, benchmarks), runner), *given]
    )
    subjects = [_find_subject(data, name, corpus) for name in models]
    with flow_session(console, data, "flows.evaluate_model"):
        from flows.evaluate_model import evaluate_model

        folders = [evaluate_model(loaded, model, tokens, data) for model, tokens in subjects]
    if compare:
        _show_comparison(folders, data)
    else:
        _show(folders[0])


def _check_number(models: list[str], *, is_compared: bool) -> None:
    if is_compared and len(models) < 2:
        raise UsageError("there is one model only to compare", hint="Name another: RUN RUN.")
    if len(models) > 1 and not is_compared:
        raise UsageError(
            f"{len(models)} models are named", hint="Add --compare to see them side by side."
        )
    if len(models) > len(string.ascii_uppercase):
        raise UsageError(f"{len(models)} models are too many to compare", hint="Name up to 26.")


def _task_overrides(tasks: str | None) -> list[str]:
    if tasks is None:
        return []
    from evaluation.settings import TaskName

    known: tuple[str, ...] = get_args(TaskName)
    names = list(dict.fromkeys(name.strip() for name in tasks.split(",") if name.strip()))
    for name in names or [tasks]:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
            words = f"Did you mean {nearest[0]}? " if nearest else ""
            raise UsageError(
                f"there is no task {name!r}", hint=f"{words}The tasks: {', '.join(known)}."
            )
    return [f"evaluate.tasks={names}"]


def _option_overrides(limit: int | None, *, is_grid: bool) -> list[str]:
    limits = [] if limit is None else [f"evaluate.max_examples={limit}"]
    grid = ["evaluate.grid=true", f"evaluate.strides={_BOTH_STRIDES}"] if is_grid else []
    return [*limits, *grid]


def _find_subject(data: Path, name: str, corpus: str | None) -> tuple[Path, Path | None]:
    """The finished run or the folder of weights that a name means, and the corpus to score."""
    from flows.corpora.catalog import find_corpus
    from flows.corpora.find_weights import find_weights
    from flows.corpora.summary import lineage

    weights = find_weights(data, name)
    model = weights.parent if is_finished(weights.parent) else weights
    tokens = lineage(model).get("tokens") if is_finished(model) else None
    return model, tokens if corpus is None else find_corpus(data, corpus)


def _show(folder: Path) -> None:
    from flows.corpora.tables import score_table
    from flows.reports.gather_scores import gather_scores
    from flows.reports.render_scores import PAGE

    found = gather_scores(folder)
    console.print(score_table(found.rows, found.nearest, found.missing))
    scored = {row.task for row in found.rows}
    for each in found.missing:
        names = each.keys if scored.intersection(each.tasks) else each.tasks
        console.print(f"Not scored: {', '.join(names)}. {each.detail}")
    console.print(f"report: {folder / PAGE}")


def _show_comparison(folders: list[Path], data: Path) -> None:
    from flows.corpora.summary import show_short
    from flows.reports.compare_scores import compare_scores, render_comparison

    found = compare_scores(folders)
    console.print(_table(found))
    for letter, each in found.letters.items():
        size = "" if each.num_parameters is None else f", {show_short(each.num_parameters)}"
        console.print(f"{letter}: {each.model}{size}")
        if each.missing:
            tasks = dict.fromkeys(task for missing in each.missing for task in missing.tasks)
            console.print(f"   not scored: {', '.join(tasks)}")
    for note in found.notes:
        console.print(note)
    page = render_comparison(found, data)
    console.print(f"report: {page}")


def _table(found: "Comparison") -> "Table":
    """A column per model, the best in bold; of two models also their difference."""
    from rich.text import Text

    from flows.corpora.tables import figure_name, plain_table

    is_pair = len(found.evaluations) == 2
    difference = ("B - A, 95 %>",) if is_pair else ()
    models = (f"{letter}>" for letter in found.letters)
    table = plain_table("task, metric", *models, *difference, f"paper\n{found.paper}>")
    previous = ""
    for row in found.rows:
        if row.first.task != previous:
            table.add_row(row.first.task)
        values = (Text(cell.text, "bold" if cell.is_best else "") for cell in row.cells)
        table.add_row(
            figure_name(row.first),
            *values,
            *((row.cells[1].difference,) if is_pair else ()),
            row.paper,
        )
        previous = row.first.task
    return table
