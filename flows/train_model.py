"""Token shards -> a trained GPT-2."""

from pathlib import Path

from prefect import flow

from flows.corpora.find_weights import find_final_weights
from flows.recipe import Recipe
from flows.recorded_flow import recorded_flow
from flows.run_stage import Stage, run_stage
from flows.track_runs import tracked_training
from model import launch
from model.settings import RunConfig

RUN = Stage("runs", tracked_training, launch.LIBRARIES)


@flow(name="train_model", persist_result=False)
def train_model(recipe: Recipe, tokens: Path, data: Path) -> Path:
    """Train the recipe's GPT-2 on `tokens`, going on from the last checkpoint if there is one.

    Returns:
        The run folder, with `checkpoint/` inside.

    Raises:
        WebtextError: training failed; the last checkpoint is kept.
        TrainingStoppedError: it was asked to stop; the last checkpoint is that of the last step.
    """
    inputs = {"tokens": tokens}
    if recipe.train.init_from is not None:
        inputs["weights"] = find_final_weights(data, recipe.train.init_from)
    config = RunConfig(model=recipe.model, train=recipe.train)
    with recorded_flow(recipe, data):
        return run_stage(RUN, config, inputs, data)
