"""Token shards -> a trained GPT-2."""

from pathlib import Path

from prefect import flow

from corpus.errors import UsageError
from corpus.manifest import is_finished
from flows.corpora.find_weights import find_weights
from flows.recipe import Recipe
from flows.recorded_flow import recorded_flow
from flows.run_stage import Stage, run_stage
from flows.track_runs import tracked_training
from model import launch
from model.settings import RunConfig
from model.training.training_state import RUN_CHECKPOINTS

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
        inputs["weights"] = _final_weights(data, recipe.train.init_from)
    config = RunConfig(model=recipe.model, train=recipe.train)
    with recorded_flow(recipe, data):
        return run_stage(RUN, config, inputs, data)


def _final_weights(data: Path, name: str) -> Path:
    """Weights that stay what they are: a training resumes only from what it began with."""
    found = find_weights(data, name)
    run = found.parents[1]
    is_named = Path(name).resolve() == found.resolve()
    if found.parent.name == RUN_CHECKPOINTS and not is_finished(run) and not is_named:
        raise UsageError(
            f"the run {name} still trains, and its weights change",
            hint=f"Wait for its end, or name a checkpoint of it: --init-from {found}",
        )
    return found
