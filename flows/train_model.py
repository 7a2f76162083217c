"""Token shards -> a trained GPT-2."""

from pathlib import Path

from prefect import flow

from flows.recipe import Recipe
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
    """
    config = RunConfig(model=recipe.model, train=recipe.train)
    return run_stage(RUN, config, {"tokens": tokens}, data)
