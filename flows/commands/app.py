"""The command line: `webtext demo`, `run`, `build`, `overlap`, `train`, `evaluate`, ..."""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.benchmarks import benchmarks as benchmarks_app
from flows.commands.corpus import corpus_app
from flows.commands.doctor import doctor
from flows.commands.estimate import estimate
from flows.commands.evaluation import evaluate
from flows.commands.export import export
from flows.commands.flow_session import flow_session
from flows.commands.memorisation import memorisation
from flows.commands.options import (
    CORES,
    DATA,
    Benchmarks,
    Data,
    Every,
    Overrides,
    RecipeName,
    RunnerName,
    Workers,
    console,
    with_benchmarks,
    with_extends,
    with_runner,
)
from flows.commands.overlap import overlap
from flows.commands.report import report
from flows.commands.sample import sample
from flows.commands.scaling import scaling
from flows.commands.schedules import deploy, serve
from flows.commands.training import train
from flows.corpora.summary import CorpusStage

# Commands import their flows when they run: Prefect and torch take seconds, `--help` should not,
# and Prefect's settings must be in place before it is imported.

app = typer.Typer(
    name="webtext",
    help="The GPT-2 paper as production software: Reddit links in, a scored GPT-2 and its reports "
    "out.\n\nExit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped with Ctrl-C (train, "
    "once saved: 0). Run a stopped "
    "or killed command again and it goes on where it was.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(corpus_app, name="corpus")
app.add_typer(benchmarks_app, name="benchmarks")


@app.command()
def demo(
    data: Data = DATA,
    workers: Workers = CORES,
    runner: RunnerName = None,
    benchmarks: Benchmarks = None,
    overrides: Overrides = None,
) -> None:
    """The whole pipeline, small and offline: a tour.

    Crawls a small web made of the documentation of the installed Python packages, by replay, and
    trains a GPT-2 on it: under 5 minutes on 2 cores. Run it again and it skips what is done.
    """
    _run_recipe("demo", data, workers, benchmarks, with_runner(overrides, runner))


@app.command()
def run(
    recipe: RecipeName,
    data: Data = DATA,
    workers: Workers = CORES,
    runner: RunnerName = None,
    benchmarks: Benchmarks = None,
    overrides: Overrides = None,
) -> None:
    """Every stage of a recipe, links to report.

    Links, pages, documents, unique, tokens, overlap, training, scores, samples, report.
    """
    _run_recipe(recipe, data, workers, benchmarks, with_runner(overrides, runner))


@app.command()
def build(
    recipe: RecipeName,
    until: Annotated[CorpusStage, typer.Option(help="Last stage to run.")] = "tokens",
    extend: Annotated[
        str | None,
        typer.Option(
            metavar="CORPUS", help="Add what is new to this corpus (a hash), or to the latest."
        ),
    ] = None,
    data: Data = DATA,
    workers: Workers = CORES,
    runner: RunnerName = None,
    overrides: Overrides = None,
) -> None:
    """Build a corpus: links to tokens.

    With --extend latest it adds to the recipe's newest corpus: only new pages are crawled, and what
    is there is neither extracted nor encoded again. The first time it builds a whole one.
    """
    from flows.recipe import load_recipe

    loaded = load_recipe(recipe, with_runner(with_extends(overrides, extend), runner))
    with flow_session(console, data, "flows.build_corpus"):
        from flows.build_corpus import build_corpus

        folder = build_corpus(loaded, data, workers, until)
    from flows.corpora.tables import describe_corpus

    if until == "tokens":
        console.print(describe_corpus(folder))
    console.print(f"{until}: {folder}")


@app.command()
def harvest(
    recipe: RecipeName,
    every: Every = None,
    data: Data = DATA,
    overrides: Overrides = None,
) -> None:
    """Gather submissions from Reddit's API.

    One round: holds what the listings show, and reads the score of what is three days old again.
    Needs credentials: docs/operations.md.
    """
    from corpus.errors import UsageError
    from corpus.storage.files import mirror_root
    from flows.recipe import load_recipe

    loaded = load_recipe(recipe, overrides)
    if mirror_root(data) is not None:
        raise UsageError("a harvest gathers in a local folder", hint="Give --data a folder.")
    with flow_session(console, data):
        from flows.harvest_links import FOLDER, harvest_rounds

        for report in harvest_rounds(loaded, data, every):
            for problem in report.problems:
                console.print(f"Warning: {problem}", style="yellow")
    console.print(f"harvest: {data / FOLDER}")


app.command()(doctor)
app.command()(estimate)
app.command()(overlap)
app.command()(train)
app.command()(evaluate)
app.command()(sample)
app.command()(memorisation)
app.command()(scaling)
app.command()(export)
app.command()(serve)
app.command()(deploy)
app.command()(report)


@app.callback(invoke_without_command=True)
def _version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if show:
        console.print(f"webtext {version('webtext')}")
        raise typer.Exit


def _run_recipe(
    recipe: str,
    data: Path,
    workers: int,
    benchmarks: Path | None,
    overrides: list[str] | None,
) -> None:
    from flows.recipe import load_recipe

    loaded = load_recipe(recipe, with_benchmarks(overrides, benchmarks))
    with flow_session(console, data, "flows.run_pipeline"):
        from flows.run_pipeline import run_pipeline

        path = run_pipeline(loaded, data, workers)
    from flows.corpora.tables import closing_lines

    console.print(closing_lines(path.parent, data), crop=False)
