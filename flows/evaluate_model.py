"""A model -> zero-shot scores with their page, and of a run of ours also sample texts."""

from pathlib import Path

from corpus.manifest import is_finished
from evaluation import evaluate
from flows.limit_use import gpu_limits, occupied
from flows.product import product
from flows.publish_results import publish_scores
from flows.recipe import Recipe
from flows.recorded_flow import recorded_flow
from flows.reports.render_scores import MARKDOWN, PAGE, SCORES_DATA, render_scores
from flows.run_stage import Stage, run_stage
from flows.track_runs import track_scores
from model.generation import sample

SCORES = Stage("scores", evaluate.run, evaluate.LIBRARIES)
SAMPLES = Stage("samples", sample.run, sample.LIBRARIES)


@product("evaluate_model")
def evaluate_model(recipe: Recipe, model: Path, tokens: Path | None, data: Path) -> Path:
    """Score a model on the recipe's tasks; let it write a few texts, if it is a run of ours.

    Args:
        recipe: `[evaluate]` names the tasks, `benchmarks` the folder of their files.
        model: A finished run, or a folder of weights.
        tokens: The corpus whose held-out split the model has not seen; None: there is none.
        data: The data folder.

    Returns:
        The scores folder, with `report.html`, `scores.md`, `scores.json` and `examples.jsonl`.
    """
    is_run = is_finished(model)
    inputs = {"run" if is_run else "model": model}
    if tokens is not None:
        inputs["tokens"] = tokens
    if recipe.benchmarks is not None:
        inputs["benchmarks"] = recipe.benchmarks
    with recorded_flow(recipe, data):
        with occupied(gpu_limits(recipe.evaluate.processes or 1)):
            scores = run_stage(SCORES, recipe.evaluate, inputs, data)
            samples = run_stage(SAMPLES, recipe.sample, {"run": model}, data) if is_run else None
        render_scores(scores)
        pages = [scores / name for name in (PAGE, MARKDOWN, SCORES_DATA)]
        track_scores(recipe, scores, tokens, data, samples, pages)
        publish_scores(scores, pages[0], data)
    return scores
