"""The command `webtext overlap`: measure contamination, find it, take it out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.commands.flow_session import flow_session, prefect_session, shown_stages
from flows.commands.options import (
    CORES,
    DATA,
    Benchmarks,
    Corpus,
    Data,
    Overrides,
    RunnerName,
    Workers,
    console,
    with_benchmarks,
    with_runner,
)

if TYPE_CHECKING:
    from flows.recipe import Recipe

Mode = Literal["report", "spans", "documents"]


def overlap(
    corpus: Corpus,
    recipe: Annotated[str, typer.Option(help="Recipe with the sections to use.")] = "webtext",
    benchmarks: Benchmarks = None,
    texts: Annotated[
        list[Path] | None,
        typer.Option(help="A file of texts to look for too, .txt or .jsonl; repeatable."),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Search the training documents: every match.")
    ] = False,
    mode: Annotated[
        Mode, typer.Option(help="spans, documents: make a corpus without what matches.")
    ] = "report",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before making it.")] = False,
    data: Data = DATA,
    workers: Workers = CORES,
    runner: RunnerName = None,
    overrides: Overrides = None,
) -> None:
    """How much of each benchmark a corpus holds.

    The share of the 8-grams of each benchmark text, and of the held-out split, that are in the
    corpus's training split: section 4 of the paper. Answers from the index that is kept with the
    corpus, in seconds; with --exact from the documents, with each match beside its benchmark.

    --mode takes out what matches, by GPT-3's rule: the matched words with 200 characters on either
    side (spans), or all documents that hold one (documents). It says first what would go, and makes
    a new corpus; the old one stays.
    """
    from flows.corpora.catalog import find_corpus
    from flows.recipe import load_recipe

    loaded = load_recipe(recipe, with_runner(with_benchmarks(overrides, benchmarks), runner))
    tokens = find_corpus(data, corpus)
    if mode != "report":
        _decontaminate(loaded, mode, tokens, data, workers, texts or [], is_agreed=yes)
        return
    with flow_session(console, data):
        from flows.report_overlap import report_overlap

        folder = report_overlap(loaded, tokens, data, workers, texts or (), exact=exact)
    from flows.corpora.tables import missing_sets, overlap_table

    console.print(overlap_table(folder))
    if missing := missing_sets(folder):
        console.print(f"not measured, as their files are not there: {missing}")
    console.print(f"report: {folder / 'report.html'}")


def _decontaminate(
    recipe: "Recipe",
    mode: Mode,
    tokens: Path,
    data: Path,
    workers: int,
    texts: list[Path],
    *,
    is_agreed: bool,
) -> None:
    config = recipe.decontaminate.model_copy(update={"mode": mode})
    with prefect_session(console, data):
        with shown_stages(console, data):
            from flows.decontaminate_corpus import decontaminate_corpus, plan_decontamination

            inputs, plan = plan_decontamination(recipe, config, tokens, data, workers, texts)
        from flows.corpora.tables import describe_corpus, plan_lines

        console.print(plan_lines(plan, inputs["matches"]))
        if not plan.num_touched:
            console.print("Nothing to take out: the corpus stays as it is.")
            return
        if not is_agreed and not typer.confirm("Make this corpus?"):
            console.print("Nothing was made.")
            return
        with shown_stages(console, data):
            folder = decontaminate_corpus(recipe, config, inputs, data, workers)
    console.print(describe_corpus(folder))
    console.print(f"tokens: {folder}")
