"""The whole recipe: links ... tokens, overlap, training, scores, samples, report."""

from pathlib import Path

from flows.build_corpus import build_corpus
from flows.evaluate_model import evaluate_model
from flows.product import product
from flows.publish_results import publish_report
from flows.recipe import Recipe
from flows.recorded_flow import recorded_flow
from flows.report_overlap import report_overlap
from flows.reports.render_overlap import render_overlap
from flows.reports.render_report import render_report
from flows.train_model import train_model


@product("run_pipeline")
def run_pipeline(recipe: Recipe, data: Path, workers: int = 1) -> Path:
    """Run every stage of the recipe that is not done, and write the report.

    Returns:
        The report: `runs/ID/report.html`.
    """
    with recorded_flow(recipe, data):
        tokens = build_corpus(recipe, data, workers)
        overlap = report_overlap(recipe, tokens, data, workers)
        run = train_model(recipe, tokens, data)
        evaluate_model(recipe, run, tokens, data)
    render_overlap(overlap, tokens)  # again: now there are scores to split by it
    page = render_report(run)
    publish_report(page)
    return page
