"""Links -> pages -> documents -> unique -> tokens: a recipe becomes a corpus."""

from collections.abc import Iterator
from pathlib import Path

from prefect import flow

from corpus import tokens
from corpus.errors import UsageError
from crawler import crawl, extract, links
from dedup import unique
from flows import demo_web
from flows.recipe import Recipe
from flows.run_stage import Stage, run_stage
from flows.summary import CorpusStage
from flows.track_runs import track_corpus

WEB = Stage("web", demo_web.run)
LINKS = Stage("links", links.run, links.LIBRARIES)
# No library: a new Scrapy is no reason to fetch 45 million pages again.
PAGES = Stage("pages", crawl.run)
DOCUMENTS = Stage("documents", extract.run, extract.LIBRARIES)
UNIQUE = Stage("unique", unique.run, unique.LIBRARIES)
TOKENS = Stage("tokens", tokens.run, tokens.LIBRARIES)


@flow(name="build_corpus", persist_result=False)
def build_corpus(
    recipe: Recipe, data: Path, workers: int = 1, until: CorpusStage = "tokens"
) -> Path:
    """Build the recipe's corpus below `data`, skipping stages that are done.

    Args:
        recipe: What to build.
        data: The data folder.
        workers: Worker processes per stage.
        until: The last stage to run.

    Returns:
        The folder of the last stage: token shards, unless `until` says otherwise.

    Raises:
        WebtextError: a stage failed; what it finished is kept.
    """
    folder = next(folder for name, folder in _stages(recipe, data, workers) if name == until)
    if until == "tokens":
        track_corpus(recipe, folder, data)
    return folder


def _stages(recipe: Recipe, data: Path, workers: int) -> Iterator[tuple[str, Path]]:
    sources, replay = _sources(recipe, data, workers)
    found = run_stage(LINKS, recipe.links, sources, data, workers)
    yield "links", found
    pages = run_stage(PAGES, recipe.crawl, {"links": found, **replay}, data, workers)
    yield "pages", pages
    inputs = {"links": found, "pages": pages}
    documents = run_stage(DOCUMENTS, recipe.extract, inputs, data, workers)
    yield "documents", documents
    kept = run_stage(UNIQUE, recipe.dedup, {"documents": documents}, data, workers)
    yield "unique", kept
    inputs = {"documents": kept}
    if recipe.tokens.tokenizer is not None:
        inputs["tokenizer"] = recipe.tokens.tokenizer
    yield "tokens", run_stage(TOKENS, recipe.tokens, inputs, data, workers)


def _sources(recipe: Recipe, data: Path, workers: int) -> tuple[dict[str, Path], dict[str, Path]]:
    """The dumps to read links from, and the archive to replay instead of the network, if any."""
    if recipe.web is not None:
        web = run_stage(WEB, recipe.web, {}, data, workers)
        return {"dump-0": web / "dump" / "RS_demo.zst"}, {"replay": web}
    if not recipe.links.dumps:
        raise UsageError(
            f"recipe {recipe.name} names no submission dumps",
            hint="Say where they are: --set 'links.dumps=[\"RS_2017-12.zst\"]'",
        )
    dumps = {f"dump-{index}": path for index, path in enumerate(recipe.links.dumps)}
    replay = {} if recipe.crawl.replay is None else {"replay": recipe.crawl.replay}
    return dumps, replay
