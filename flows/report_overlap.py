"""A corpus, benchmark texts -> how much of each benchmark is in the training split, and where."""

from collections.abc import Sequence
from pathlib import Path

from prefect.artifacts import create_table_artifact

from dedup.matches import stage as matches
from dedup.overlap import stage
from dedup.overlap.summary import summarise
from flows.build_corpus import index_ngrams
from flows.corpora.dataset_card import write_card
from flows.corpora.summary import documents_of
from flows.product import product
from flows.recipe import Recipe
from flows.recorded_flow import recorded_flow
from flows.reports.render_matches import render_matches
from flows.reports.render_overlap import DATA, render_overlap
from flows.run_stage import Stage, run_stage
from flows.track_runs import track_overlap

OVERLAP = Stage(stage.STAGE, stage.run, stage.LIBRARIES)
MATCHES = Stage(matches.STAGE, matches.run, matches.LIBRARIES)


@product("report_overlap")
def report_overlap(
    recipe: Recipe,
    tokens: Path,
    data: Path,
    workers: int = 1,
    texts: Sequence[Path] = (),
    *,
    exact: bool = False,
) -> Path:
    """Measure the overlap of the held-out split and of each benchmark with the training split.

    Args:
        recipe: Its `benchmarks` names the folder of benchmark files; None: held-out split only.
        tokens: The corpus: a finished tokens folder.
        data: The data folder.
        workers: Worker processes.
        texts: Further files of texts to look for.
        exact: Look through the training documents too, and find every match.

    Returns:
        The overlap folder; its `report.html` shows all of it.
    """
    ngrams = index_ngrams(recipe, tokens, data, workers)
    inputs = {"ngrams": ngrams, "tokens": tokens, **_sought(recipe, texts)}
    overlap = run_stage(OVERLAP, stage.OverlapConfig(), inputs, data, workers)
    found = find_matches(recipe, tokens, data, workers, texts) if exact else None
    page = render_overlap(overlap, tokens, found)
    create_table_artifact(
        key="contamination",
        table=[
            {"text set": row.name, "examples": row.num_examples, "found %": row.percent_found}
            for row in summarise(overlap)
        ],
        description=f"Overlap with the training split: {page}",
    )
    with recorded_flow(recipe, data):
        track_overlap(recipe, overlap, tokens, data, [page, page.with_name(DATA)])
    write_card(tokens)  # with the overlap in it
    return overlap


def find_matches(
    recipe: Recipe, tokens: Path, data: Path, workers: int, texts: Sequence[Path] = ()
) -> Path:
    """Every place of the training split where a benchmark's n-grams are, and a page of them."""
    sources = {"documents": documents_of(tokens), "tokens": tokens, **_sought(recipe, texts)}
    found = run_stage(MATCHES, recipe.matches, sources, data, workers)
    page = render_matches(found, documents_of(tokens))
    with recorded_flow(recipe, data):
        track_overlap(recipe, found, tokens, data, [page])
    return found


def _sought(recipe: Recipe, texts: Sequence[Path]) -> dict[str, Path]:
    benchmarks = {} if recipe.benchmarks is None else {"benchmarks": recipe.benchmarks}
    return {**benchmarks, **{f"texts-{i:03d}": path for i, path in enumerate(texts)}}
