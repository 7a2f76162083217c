"""Token shards -> a trained GPT-2."""

from pathlib import Path

from corpus.takedown.withdrawn import current_version
from flows.corpora.find_weights import find_final_weights
from flows.product import product
from flows.recipe import Recipe
from flows.recorded_flow import recorded_flow
from flows.run_stage import Stage, run_stage, stage_folder
from flows.track_runs import tracked_training
from model import launch
from model.settings import RunConfig

RUN = Stage("runs", tracked_training, launch.LIBRARIES)


@product("train_model")
def train_model(recipe: Recipe, tokens: Path, data: Path) -> Path:
    """Train the recipe's GPT-2 on `tokens`, going on from the last checkpoint if there is one.

    Returns:
        The run folder, with `checkpoint/` inside.

    Raises:
        WebtextError: training failed; the last checkpoint is kept.
        TrainingStoppedError: it was asked to stop; the last checkpoint is that of the last step.
    """
    config, inputs = _training(recipe, tokens, data)
    with recorded_flow(recipe, data):
        return run_stage(RUN, config, inputs, data)


def run_folder(recipe: Recipe, tokens: Path, data: Path) -> Path:
    """The folder of the recipe's run on this corpus, whether it is there or not."""
    config, inputs = _training(recipe, tokens, data)
    return current_version(stage_folder(RUN, config, inputs, data))


def _training(recipe: Recipe, tokens: Path, data: Path) -> tuple[RunConfig, dict[str, Path]]:
    inputs = {"tokens": tokens}
    if recipe.train.init_from is not None:
        inputs["weights"] = find_final_weights(data, recipe.train.init_from)
    return RunConfig(model=recipe.model, train=recipe.train), inputs
