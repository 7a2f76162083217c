"""Documents and benchmark texts -> how much of each benchmark is in the training split."""

from pathlib import Path

from prefect import flow

from dedup import overlap
from flows.recipe import Recipe
from flows.run_stage import Stage, run_stage
from flows.summary import lineage
from flows.track_runs import track_overlap

OVERLAP = Stage("overlap", overlap.run, overlap.LIBRARIES)


@flow(name="report_overlap", persist_result=False)
def report_overlap(recipe: Recipe, tokens: Path, data: Path, workers: int = 1) -> Path:
    """Measure the overlap of the held-out split and of each benchmark with the training split.

    Args:
        recipe: Its `benchmarks` names the folder of benchmark files; None: held-out split only.
        tokens: The corpus: a finished tokens folder.
        data: The data folder.
        workers: Worker processes.

    Returns:
        The overlap folder.
    """
    inputs = {"documents": lineage(tokens)["unique"], "tokens": tokens}
    if recipe.benchmarks is not None:
        inputs["benchmarks"] = recipe.benchmarks
    overlap_folder = run_stage(OVERLAP, recipe.overlap, inputs, data, workers)
    track_overlap(recipe, overlap_folder, tokens, data)
    return overlap_folder
