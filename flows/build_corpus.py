"""Links -> pages -> documents -> unique -> tokens: a recipe becomes a corpus, or a longer one."""

from collections.abc import Iterator
from pathlib import Path

from corpus.errors import UsageError
from corpus.manifest import is_finished, read_manifest
from corpus.tokens import stage as tokens
from crawler.documents import stage as extract
from crawler.links import stage as links
from crawler.pages import import_archives
from dedup.extended import stage as extended
from dedup.overlap import index
from dedup.paragraphs import stage as paragraphs
from dedup.unique import stage as unique
from flows.commands.display import current_display
from flows.corpora.dataset_card import CARD, write_card
from flows.corpora.summary import CorpusStage, corpus_hash, documents_of
from flows.demo import web as demo_web
from flows.extend_corpus import Base, find_base, remember_recipe
from flows.link_sources import link_inputs, takedown_input
from flows.product import product
from flows.publish_results import publish_funnel
from flows.recipe import Recipe
from flows.recorded_flow import recorded_flow
from flows.run_stage import Stage, run_stage, stage_folder
from flows.track_runs import track_corpus, tracked_crawl

WEB = Stage("web", demo_web.run)
# What is crawled in the meantime is no reason to choose other links in the middle of a build.
LINKS = Stage("links", links.run, links.LIBRARIES, unkeyed=frozenset({"crawled"}))
# Where a corpus is extended, what was crawled is the base's pages: they stay the same meanwhile.
NEW_LINKS = Stage("links", links.run, links.LIBRARIES)
# No library: a new Scrapy is no reason to fetch 45 million pages again.
# The takedown list has decided the links; here it only stops redirects from now on.
PAGES = Stage("pages", tracked_crawl, unkeyed=frozenset({"takedown"}))
# Here it decides what is taken in, and so it names the folder.
IMPORT = Stage("pages", import_archives.run, import_archives.LIBRARIES)
DOCUMENTS = Stage("documents", extract.run, extract.LIBRARIES)
UNIQUE = Stage("unique", unique.run, unique.LIBRARIES)
TRIMMED = Stage(paragraphs.STAGE, paragraphs.run, paragraphs.LIBRARIES)
EXTENDED = Stage(extended.STAGE, extended.run, extended.LIBRARIES)
# No byte depends on the base: it saves encoding the same documents again.
TOKENS = Stage("tokens", tokens.run, tokens.LIBRARIES, unkeyed=frozenset({"base"}))
NGRAMS = Stage(index.STAGE, index.run, index.LIBRARIES)


@product("build_corpus")
def build_corpus(
    recipe: Recipe, data: Path, workers: int = 1, until: CorpusStage = "tokens"
) -> Path:
    """Build the recipe's corpus below `data`, skipping stages that are done.

    Args:
        recipe: What to build. If it extends a corpus, only what is new since is crawled, read and
            compared with it; the result is that corpus and the new documents behind it.
        data: The data folder.
        workers: Worker processes per stage.
        until: The last stage to run.

    Returns:
        The folder of the last stage: token shards, unless `until` says otherwise. Where there is
        nothing new, the corpus that was to be extended.

    Raises:
        WebtextError: a stage failed; what it finished is kept.
    """
    if until == "links" and recipe.archives.files:
        raise UsageError(
            f"recipe {recipe.name} takes its pages from archives and has no links",
            hint="Name a later stage: --until pages",
        )
    with recorded_flow(recipe, data):
        return _build(recipe, data, workers, until)


def _build(recipe: Recipe, data: Path, workers: int, until: CorpusStage) -> Path:
    base = find_base(recipe, data)
    folder = data
    for name, folder in _new_documents(recipe, data, workers, base):
        if name == until:
            return folder
        if base is not None and until == "tokens" and not read_manifest(folder).counts.out:
            return _nothing_new(recipe, base, data, workers)
    if base is not None:
        sources = {"documents": folder, "base": base.documents}
        folder = run_stage(EXTENDED, extended.ExtendedConfig(), sources, data, workers)
        if not read_manifest(folder).figures["num_new_documents"]:
            return _nothing_new(recipe, base, data, workers)
    return finish_corpus(recipe, folder, data, workers, base)


def finish_corpus(
    recipe: Recipe, documents: Path, data: Path, workers: int = 1, base: Base | None = None
) -> Path:
    """Make a corpus of documents that are as they should be: tokens, and the index of n-grams.

    Args:
        recipe: How.
        documents: The folder of the last stage that made documents.
        data: The data folder.
        workers: Worker processes per stage.
        base: The corpus that this one extends: its tokenizer and its token shards are used again.

    Returns:
        The tokens folder.
    """
    inputs, config = {"documents": documents}, recipe.tokens
    if base is not None:
        inputs |= {"tokenizer": base.tokenizer, "base": base.tokens}
        config = base.tokens_config(config)
    elif config.tokenizer is not None:
        inputs["tokenizer"] = config.tokenizer
    folder = run_stage(TOKENS, config, inputs, data, workers)
    _complete(recipe, folder, data, workers)
    return folder


def index_ngrams(recipe: Recipe, tokens: Path, data: Path, workers: int = 1) -> Path:
    """The index of a corpus's training split: made with the corpus, and kept."""
    inputs = {"documents": documents_of(tokens), "tokens": tokens}
    folder = stage_folder(NGRAMS, recipe.ngrams, inputs, data)
    if not is_finished(folder):
        run_stage(NGRAMS, recipe.ngrams, inputs, data, workers)
    return folder


def _complete(recipe: Recipe, tokens: Path, data: Path, workers: int) -> None:
    """What belongs to a corpus beside its tokens, unless it is there."""
    index_ngrams(recipe, tokens, data, workers)
    track_corpus(recipe, tokens, data)
    publish_funnel(tokens, data)
    if not (tokens / CARD).is_file():  # it reads every document
        write_card(tokens)


def _nothing_new(recipe: Recipe, base: Base, data: Path, workers: int) -> Path:
    name = corpus_hash(base.tokens)
    current_display().done(extended.STAGE, f"nothing new: corpus {name} stays as it is")
    # The base may be what an earlier attempt at this very round left, killed at its last step.
    _complete(recipe, base.tokens, data, workers)
    return base.tokens


def _new_documents(
    recipe: Recipe, data: Path, workers: int, base: Base | None
) -> Iterator[tuple[str, Path]]:
    """The stages from links to documents that are as they should be, of this round alone.

    Copies are looked for in the base too, boilerplate is not: a paragraph goes when more than
    `paragraphs.max_documents` of the new documents share it, and stays in the first of them.
    """
    inputs: dict[str, Path] = {}
    for name, folder in _pages(recipe, data, workers, base):
        yield name, folder
        inputs[name] = folder
    documents = run_stage(DOCUMENTS, recipe.extract, inputs, data, workers)
    yield "documents", documents
    earlier = [*(base.kept if base else ()), *recipe.dedup.kept]
    sources = {"documents": documents} | {f"kept-{i:03d}": each for i, each in enumerate(earlier)}
    folder = run_stage(UNIQUE, recipe.dedup, sources, data, workers)
    remember_recipe(recipe, folder)
    yield "unique", folder
    if recipe.paragraphs.max_documents is not None:
        inputs = {"documents": folder}
        yield "trimmed", run_stage(TRIMMED, recipe.paragraphs, inputs, data, workers)


def _pages(
    recipe: Recipe, data: Path, workers: int, base: Base | None
) -> Iterator[tuple[str, Path]]:
    """Links and the pages behind them, or pages from archives that somebody else made."""
    if recipe.archives.files:
        files = {f"archive-{index}": path for index, path in enumerate(recipe.archives.files)}
        sources = {**files, **takedown_input(data)}
        yield "pages", run_stage(IMPORT, recipe.archives, sources, data, workers)
        return
    web = None if recipe.web is None else run_stage(WEB, recipe.web, {}, data, workers)
    found = _links(recipe, data, workers, base, web)
    yield "links", found
    archive = web or recipe.crawl.replay
    replay = {} if archive is None else {"replay": archive}
    inputs = {"links": found, **replay, **takedown_input(data)}
    yield "pages", run_stage(PAGES, recipe.crawl, inputs, data, workers)


def _links(recipe: Recipe, data: Path, workers: int, base: Base | None, web: Path | None) -> Path:
    if base is None:
        return run_stage(LINKS, recipe.links, link_inputs(recipe, data, web), data, workers)
    sources = link_inputs(recipe, data, web, base.pages)
    config = recipe.links.model_copy(update={"skip_crawled": True})
    return run_stage(NEW_LINKS, config, sources, data, workers)
