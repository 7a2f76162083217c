"""Links -> pages -> documents -> unique -> tokens: a recipe becomes a corpus."""

from collections.abc import Iterator
from pathlib import Path

from prefect import flow

from corpus import tokens
from corpus.errors import UsageError
from corpus.manifest import is_finished
from crawler.documents import stage as extract
from crawler.links import stage as links
from crawler.pages import import_archives
from dedup.overlap import index
from dedup.paragraphs import stage as paragraphs
from dedup.unique import stage as unique
from flows import demo_web
from flows.link_sources import link_inputs, takedown_input
from flows.recipe import Recipe
from flows.run_stage import Stage, run_stage, stage_folder
from flows.summary import CorpusStage, documents_of
from flows.track_runs import track_corpus, tracked_crawl

WEB = Stage("web", demo_web.run)
# What is crawled in the meantime is no reason to choose other links in the middle of a build.
LINKS = Stage("links", links.run, links.LIBRARIES, unkeyed=frozenset({"crawled"}))
# No library: a new Scrapy is no reason to fetch 45 million pages again.
# The takedown list has decided the links; here it only stops redirects from now on.
PAGES = Stage("pages", tracked_crawl, unkeyed=frozenset({"takedown"}))
# Here it decides what is taken in, and so it names the folder.
IMPORT = Stage("pages", import_archives.run, import_archives.LIBRARIES)
DOCUMENTS = Stage("documents", extract.run, extract.LIBRARIES)
UNIQUE = Stage("unique", unique.run, unique.LIBRARIES)
TRIMMED = Stage(paragraphs.STAGE, paragraphs.run, paragraphs.LIBRARIES)
TOKENS = Stage("tokens", tokens.run, tokens.LIBRARIES)
NGRAMS = Stage(index.STAGE, index.run, index.LIBRARIES)


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
    if until == "links" and recipe.archives.files:
        raise UsageError(
            f"recipe {recipe.name} takes its pages from archives and has no links",
            hint="Name a later stage: --until pages",
        )
    last = "unique" if until == "tokens" else until
    folder = next(folder for name, folder in _stages(recipe, data, workers) if name == last)
    if until != "tokens":
        return folder
    if recipe.paragraphs.max_documents is not None:
        folder = run_stage(TRIMMED, recipe.paragraphs, {"documents": folder}, data, workers)
    return finish_corpus(recipe, folder, data, workers)


def finish_corpus(recipe: Recipe, documents: Path, data: Path, workers: int = 1) -> Path:
    """Make a corpus of documents that are as they should be: tokens, and the index of n-grams.

    Returns:
        The tokens folder.
    """
    inputs = {"documents": documents}
    if recipe.tokens.tokenizer is not None:
        inputs["tokenizer"] = recipe.tokens.tokenizer
    folder = run_stage(TOKENS, recipe.tokens, inputs, data, workers)
    index_ngrams(recipe, folder, data, workers)
    track_corpus(recipe, folder, data)
    return folder


def index_ngrams(recipe: Recipe, tokens: Path, data: Path, workers: int = 1) -> Path:
    """The index of a corpus's training split: made with the corpus, and kept."""
    inputs = {"documents": documents_of(tokens), "tokens": tokens}
    folder = stage_folder(NGRAMS, recipe.ngrams, inputs, data)
    if not is_finished(folder):
        run_stage(NGRAMS, recipe.ngrams, inputs, data, workers)
    return folder


def _stages(recipe: Recipe, data: Path, workers: int) -> Iterator[tuple[str, Path]]:
    inputs: dict[str, Path] = {}
    for name, folder in _pages(recipe, data, workers):
        yield name, folder
        inputs[name] = folder
    documents = run_stage(DOCUMENTS, recipe.extract, inputs, data, workers)
    yield "documents", documents
    earlier = {f"kept-{i:03d}": folder for i, folder in enumerate(recipe.dedup.kept)}
    sources = {"documents": documents, **earlier}
    yield "unique", run_stage(UNIQUE, recipe.dedup, sources, data, workers)


def _pages(recipe: Recipe, data: Path, workers: int) -> Iterator[tuple[str, Path]]:
    """Links and the pages behind them, or pages from archives that somebody else made."""
    if recipe.archives.files:
        files = {f"archive-{index}": path for index, path in enumerate(recipe.archives.files)}
        sources = {**files, **takedown_input(data)}
        yield "pages", run_stage(IMPORT, recipe.archives, sources, data, workers)
        return
    web = None if recipe.web is None else run_stage(WEB, recipe.web, {}, data, workers)
    sources = link_inputs(recipe, data, web)
    found = run_stage(LINKS, recipe.links, sources, data, workers)
    yield "links", found
    archive = web or recipe.crawl.replay
    replay = {} if archive is None else {"replay": archive}
    inputs = {"links": found, **replay, **takedown_input(data)}
    yield "pages", run_stage(PAGES, recipe.crawl, inputs, data, workers)
