"""A recipe's stages called one after the other: no Prefect, no MLflow, no display, no pages.

    python -m benchmarks.plain_pipeline RECIPE FOLDER [WORKERS] [--until STAGE] [--set KEY=VALUE]...

What somebody would write who needs the result once. benchmarks.flow holds `webtext run` against
it.
"""

import argparse
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from corpus.manifest import Manifest
from corpus.runtime import Runtime
from corpus.settings import Section
from corpus.tokens import stage as tokens
from crawler.documents import stage as extract
from crawler.links import stage as links
from crawler.pages import stage as pages
from dedup.overlap import index as ngrams, stage as overlap
from dedup.unique import stage as unique
from evaluation import evaluate as scores
from flows.demo import web
from flows.recipe import Recipe, load_recipe
from model import launch as runs
from model.generation import sample as samples
from model.settings import RunConfig

_UNTIL = ("documents", "samples")


def main() -> None:
    """Run the stages of the recipe that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("folder", type=Path)
    parser.add_argument("workers", type=int, nargs="?", default=os.cpu_count() or 1)
    parser.add_argument("--until", choices=_UNTIL, default="samples", help="the last stage")
    parser.add_argument("--set", action="append", dest="overrides", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    recipe = load_recipe(arguments.recipe, arguments.overrides)
    run = partial(_run, arguments.folder, Runtime(workers=arguments.workers))
    make_documents(recipe, run)
    if arguments.until == "samples":
        make_model(recipe, run)


# As a flow's `run_stage`, with the names of the stages that it reads.
Run = Callable[..., None]


def make_documents(recipe: Recipe, run: Run) -> None:
    """From the demo's web to documents."""
    run("web", web.run, recipe.web)
    run("links", links.run, recipe.links, "web")
    run("pages", pages.run, recipe.crawl, "links", "web")
    run("documents", extract.run, recipe.extract, "links", "pages")


def make_model(recipe: Recipe, run: Run) -> None:
    """From documents to samples; without benchmark files."""
    run("unique", unique.run, recipe.dedup, "documents")
    run("tokens", tokens.run, recipe.tokens, "unique")
    run("ngrams", ngrams.run, recipe.ngrams, "unique", "tokens")
    run("overlap", overlap.run, overlap.OverlapConfig(), "ngrams", "tokens")
    run("runs", runs.run, RunConfig(model=recipe.model, train=recipe.train), "tokens")
    run("scores", scores.run, recipe.evaluate, "runs", "tokens")
    run("samples", samples.run, recipe.sample, "runs")


def _run(
    data: Path,
    runtime: Runtime,
    stage: str,
    function: Callable[..., Manifest],
    config: Section | None,
    *sources: str,
) -> None:
    """Run a stage in `data/STAGE/plain`."""
    output = data / stage / "plain"
    output.mkdir(parents=True)
    inputs = {_ROLES.get(source, source): data / source / "plain" for source in sources}
    if stage == "links":
        inputs = {"dump-0": data / "web" / "plain" / "dump" / "RS_demo.zst"}
    function(config, inputs, output, runtime)


# What a stage calls an input whose folder has another name.
_ROLES = {"web": "replay", "unique": "documents", "runs": "run"}


if __name__ == "__main__":
    main()
