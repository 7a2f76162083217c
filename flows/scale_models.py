"""One corpus, a family of sizes -> a GPT-2 of each, and perplexity against size: figure 4."""

from pathlib import Path

from prefect.artifacts import create_table_artifact

from corpus.errors import UsageError
from flows.product import product
from flows.recipe import Recipe
from flows.recorded_flow import recorded_flow
from flows.reports.render_scaling import render_scaling
from flows.run_stage import Stage, run_stage
from flows.scaling import stage
from flows.train_model import train_model

SCALING = Stage(stage.STAGE, stage.run, stage.LIBRARIES)

# Two points are on a line whatever they say.
_FEWEST_SIZES = 3


@product("scale_models")
def scale_models(recipe: Recipe, tokens: Path, data: Path) -> Path:
    """Train each size of the recipe's family that is not trained, and compare them.

    Args:
        recipe: `[scaling]` names the sizes; `[model]` and `[train]` say what they share.
        tokens: The corpus: a finished tokens folder.
        data: The data folder; each size has a run folder of its own in it.

    Returns:
        The scaling folder, with `scaling.json`, `figure.svg` and `report.html`.

    Raises:
        UsageError: the family has fewer than three sizes.
        WebtextError: a training failed; it goes on at its last checkpoint the next time.
    """
    sizes = recipe.scaling.sizes
    if len(sizes) < _FEWEST_SIZES:
        raise UsageError(
            f"recipe {recipe.name} has {len(sizes)} sizes, a line takes {_FEWEST_SIZES}",
            hint="Name them as [[scaling.sizes]], or take the recipe that has some: scaling.",
        )
    runs = {}
    with recorded_flow(recipe, data):
        for index, size in enumerate(sizes):
            update = {"model": size.model(recipe.model), "train": size.train(recipe.train)}
            runs[f"run-{index}"] = train_model(recipe.model_copy(update=update), tokens, data)
    folder = run_stage(SCALING, recipe.scaling, {**runs, "tokens": tokens}, data)
    page = render_scaling(folder, tokens)
    create_table_artifact(
        key="scaling-sizes",
        table=[
            {"parameters": row.num_parameters, **row.perplexity}
            for row in stage.read_scaling(folder).rows
        ],
        description=f"Perplexity by size: {page}",
    )
    return folder
