"""A trained GPT-2 -> zero-shot scores and sample texts."""

from pathlib import Path

from prefect import flow

from evaluation import evaluate
from flows.recipe import Recipe
from flows.recorded_flow import recorded_flow
from flows.run_stage import Stage, run_stage
from flows.track_runs import track_scores
from model.generation import sample

SCORES = Stage("scores", evaluate.run, evaluate.LIBRARIES)
SAMPLES = Stage("samples", sample.run, sample.LIBRARIES)


@flow(name="evaluate_model", persist_result=False)
def evaluate_model(recipe: Recipe, run: Path, tokens: Path, data: Path) -> tuple[Path, Path]:
    """Score a run on the recipe's tasks and let it write a few texts.

    Returns:
        The scores folder and the samples folder.
    """
    inputs = {"run": run, "tokens": tokens}
    if recipe.benchmarks is not None:
        inputs["benchmarks"] = recipe.benchmarks
    with recorded_flow(recipe, data):
        scores = run_stage(SCORES, recipe.evaluate, inputs, data)
        samples = run_stage(SAMPLES, recipe.sample, {"run": run}, data)
        track_scores(recipe, scores, tokens, data, samples)
    return scores, samples
