"""What Prefect shows of results: the funnel, the scores, where the report and MLflow are."""

import os
from pathlib import Path

from prefect.artifacts import create_link_artifact, create_table_artifact

from corpus.redact import redact
from flows.corpora.summary import corpus_hash, funnel
from flows.reports.gather_scores import gather_scores
from model.tracking.tracker import local_uri


def publish_funnel(tokens: Path, data: Path) -> None:
    """Of a corpus: what came into each stage and what left it, and where MLflow has the rest."""
    create_table_artifact(
        key="funnel",
        table=[
            {"stage": row.stage, "in": row.incoming, "out": row.out, **row.rejects}
            for row in funnel(tokens)
        ],
        description=f"Corpus {corpus_hash(tokens)}: {tokens}",
    )
    publish_tracking(data)


def publish_scores(scores: Path, page: Path, data: Path) -> None:
    """Of an evaluation: each figure with its 95 % interval, and its page."""
    found = gather_scores(scores)
    create_table_artifact(
        key="zero-shot-scores",
        table=[
            {
                "task": row.task,
                "metric": row.metric,
                "variant": row.variant,
                "value": row.value,
                "low": row.low,
                "high": row.high,
            }
            for row in found.rows
        ],
        description=f"{found.model}, corpus {found.corpus}: {page}",
    )
    publish_report(page)
    publish_tracking(data)


def publish_report(page: Path) -> None:
    """Where a report lies."""
    create_link_artifact(key="report", link=page.absolute().as_uri(), link_text=page.name)


def publish_tracking(data: Path) -> None:
    """Where MLflow holds the runs of a data folder."""
    address = redact(os.environ.get("MLFLOW_TRACKING_URI") or local_uri(data))
    create_link_artifact(
        key="mlflow",
        link=address,
        link_text="MLflow",
        description="Runs of one corpus have its hash as the tag corpus_hash.",
    )
