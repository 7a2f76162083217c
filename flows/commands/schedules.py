"""The commands `webtext serve` and `webtext deploy`: a recipe that is kept up by itself."""

import os
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import (
    CORES,
    Benchmarks,
    Overrides,
    RecipeName,
    Workers,
    console,
    with_benchmarks,
)

_Place = Annotated[
    str, typer.Option("--data", metavar="DIR", help="The data folder, or s3://BUCKET/PATH.")
]
_API_URL = "PREFECT_API_URL"


def serve(
    recipe: RecipeName,
    benchmarks: Benchmarks = None,
    data: _Place = "data",
    workers: Workers = CORES,
    overrides: Overrides = None,
) -> None:
    """Keep a recipe up: rebuild, train, evaluate, by itself.

    Rebuilds the corpus when [schedule] says so; trains on each new version, scores each new model,
    measures the overlap with each new folder of benchmark files. Until Ctrl-C; killed and started
    again, it goes on. Prefect is PREFECT_API_URL's, or one of its own: docs/rebuild.md.
    """
    from corpus.storage.mirror import open_data
    from flows.embedded_prefect import embedded_prefect
    from flows.recipe import load_recipe

    loaded = load_recipe(recipe, with_benchmarks(overrides, benchmarks))
    is_own_server = _API_URL not in os.environ
    # The records of our own Prefect lie in the data folder; where that is in S3, in its mirror.
    with embedded_prefect(open_data(data), schedules=True) as url:
        from flows.deploy_recipe import recipe_deployments, serve

        deployments = recipe_deployments(loaded, data, workers)
        for each in deployments:
            console.print(f"serving {each.full_name}")
        console.print(f"Prefect: {_API_URL}={url}")
        serve(deployments, is_own_server=is_own_server)


def deploy(
    recipe: RecipeName,
    pool: Annotated[str, typer.Option(help="The work pool; made if there is none.")],
    benchmarks: Benchmarks = None,
    data: _Place = "data",
    workers: Workers = CORES,
    overrides: Overrides = None,
) -> None:
    """Register what `serve` runs on a Prefect work pool.

    On the server of PREFECT_API_URL; workers run it wherever webtext is installed and sees the same
    data folder: prefect worker start --pool POOL.
    """
    from corpus.errors import UsageError
    from flows.embedded_prefect import embedded_prefect
    from flows.recipe import load_recipe

    loaded = load_recipe(recipe, with_benchmarks(overrides, benchmarks))
    if _API_URL not in os.environ:
        raise UsageError(
            "there is no Prefect server to register at",
            hint="Set PREFECT_API_URL to that of yours; or run `webtext serve`, which brings one.",
        )
    with embedded_prefect(Path()):
        from flows.deploy_recipe import deploy, recipe_deployments

        deployments = recipe_deployments(loaded, data, workers)
        deploy(deployments, pool)
    for each in deployments:
        console.print(f"registered {each.full_name}")
    console.print(f"run them with: prefect worker start --pool {pool}")
