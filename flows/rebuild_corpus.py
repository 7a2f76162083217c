"""New links -> new pages -> a new version of the recipe's corpus, and word of it: on a schedule."""

from pathlib import Path

from flows.announce_news import announce_news, benchmark_news, is_announced, note_announced
from flows.build_corpus import build_corpus
from flows.corpora.summary import corpus_hash
from flows.extend_corpus import LATEST
from flows.product import product
from flows.recipe import Recipe
from flows.report_overlap import report_overlap
from flows.scheduled_run import scheduled_run, within


@product("rebuild_corpus")
def rebuild_corpus(recipe: Recipe, data: str, workers: int = 1) -> Path:
    """Extend the recipe's corpus by what is new, report the overlap, and announce the result.

    Without new links, or without a page behind them, the corpus stays and nothing is announced.

    Args:
        recipe: What to build. One that `extends` no named corpus extends its own latest.
        data: The data folder, or an s3:// URL.
        workers: Worker processes per stage.

    Returns:
        The tokens folder of the newest corpus.
    """
    with scheduled_run(data) as folder:
        wanted = recipe.model_copy(update={"extends": recipe.extends or LATEST})
        build = within(build_corpus, recipe.schedule.rebuild_limit_h)
        tokens = build(wanted, folder, workers)
        if not is_announced(recipe, tokens, folder):
            report = within(report_overlap, recipe.schedule.overlap_limit_h)
            report(recipe, tokens, folder, workers)
            note_announced(folder, benchmark_news(recipe, corpus_hash(tokens)))
        announce_news(recipe, folder)
    return tokens


@product("look_for_news")
def look_for_news(recipe: Recipe, data: str) -> list[str]:
    """Announce what is new and nobody announced: benchmark files, or what a killed process made.

    Returns:
        What was announced.
    """
    with scheduled_run(data) as folder:
        return [news.line for news in announce_news(recipe, folder)]
