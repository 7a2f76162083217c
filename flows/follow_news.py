"""The flows that events start: train on a new corpus, score a new model, measure new benchmarks."""

from pathlib import Path

from flows.announce_news import announce_news
from flows.corpora.catalog import find_corpus, find_run
from flows.corpora.summary import lineage
from flows.evaluate_model import evaluate_model
from flows.product import product
from flows.publish_results import publish_report
from flows.recipe import Recipe
from flows.report_overlap import report_overlap
from flows.reports.render_report import render_report
from flows.scheduled_run import scheduled_run, within
from flows.train_model import train_model


@product("train_on_corpus")
def train_on_corpus(recipe: Recipe, data: str, corpus: str) -> Path:
    """Train the recipe's model on a corpus, unless that is done, and announce its checkpoint.

    Args:
        recipe: What to train.
        data: The data folder, or an s3:// URL.
        corpus: The hash of the corpus, or its beginning.

    Returns:
        The run folder.
    """
    with scheduled_run(data) as folder:
        train = within(train_model, recipe.schedule.train_limit_h)
        run = train(recipe, find_corpus(folder, corpus), folder)
        announce_news(recipe, folder)
    return run


@product("evaluate_run")
def evaluate_run(recipe: Recipe, data: str, run: str) -> Path:
    """Score a run zero-shot, unless that is done, and write its report.

    Args:
        recipe: How.
        data: The data folder, or an s3:// URL.
        run: The id of the run, or its beginning.

    Returns:
        The scores folder.
    """
    with scheduled_run(data) as folder:
        model = find_run(folder, run)
        evaluate = within(evaluate_model, recipe.schedule.evaluate_limit_h)
        scores = evaluate(recipe, model, lineage(model)["tokens"], folder)
        publish_report(render_report(model))
    return scores


@product("measure_overlap")
def measure_overlap(recipe: Recipe, data: str, corpus: str, workers: int = 1) -> Path:
    """Measure how much of the benchmarks, new ones among them, is in a corpus.

    Args:
        recipe: Its `benchmarks` names the folder of benchmark files.
        data: The data folder, or an s3:// URL.
        corpus: The hash of the corpus, or its beginning.
        workers: Worker processes.

    Returns:
        The overlap folder.
    """
    with scheduled_run(data) as folder:
        report = within(report_overlap, recipe.schedule.overlap_limit_h)
        return report(recipe, find_corpus(folder, corpus), folder, workers)
