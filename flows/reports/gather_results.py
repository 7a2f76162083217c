"""What was measured of a run or a corpus: scores, samples, overlap, over all its evaluations."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from corpus.manifest import read_manifest, read_record
from corpus.shards import read_rows
from corpus.stage import data_shards
from dedup.overlap.summary import OverlapRow, overlap_cdf, summarise
from evaluation.evaluate import ScoreRow, score_table
from flows.corpora.catalog import results_of
from flows.corpora.summary import lineage


@dataclass(frozen=True)
class Results:
    """The newest measurement of everything that was measured."""

    scores: list[ScoreRow]
    missing: dict[str, list[str]]
    """Metrics that no evaluation could measure, by the reason and remedy."""
    overlap: list[OverlapRow]
    ngram: int
    """Words per n-gram of the overlap."""
    overlap_curves: dict[str, tuple[np.ndarray, np.ndarray]]
    """By text set, percentages of n-grams found, ascending, and of examples."""
    overlap_page: str
    """The overlap's own report, as seen from the page's folder; empty: there is none."""
    scores_page: str
    """The same of the latest scores."""
    samples: list[dict]
    """Rows of prompt and text."""
    folders: list[Path]
    """The stage folders that all this is from."""

    def score(self, task: str, metric: str) -> float | None:
        """One score; None: not measured."""
        values = (row.value for row in self.scores if (row.task, row.metric) == (task, metric))
        return next(values, None)


def gather_results(folder: Path) -> Results:
    """Everything measured of a finished run and of the corpus that it was trained on.

    Args:
        folder: The run; or a tokens folder, of which nothing but overlap is known.
    """
    is_run = read_record(folder).stage == "run"
    scores = results_of(folder, "scores", "run") if is_run else []
    samples = results_of(folder, "samples", "run")[-1:] if is_run else []
    overlaps = results_of(lineage(folder)["tokens"], "overlap", "tokens")
    # A later evaluation of the same task takes the place of an earlier one.
    rows = {
        (row.task, row.variant, row.metric): row for made in scores for row in score_table(made)
    }
    measured = {row.name: (row, made) for made in overlaps for row in summarise(made)}
    return Results(
        scores=list(rows.values()),
        missing=_missing(scores, {f"{task}.{metric}" for task, _, metric in rows}),
        overlap=[row for row, _ in measured.values()],
        ngram=int(read_manifest(overlaps[-1]).figures["n"]) if overlaps else 8,
        overlap_curves={
            name: overlap_cdf(made, row.slug)
            for name, (row, made) in measured.items()
            if row.part is None
        },
        overlap_page=_page(overlaps),
        scores_page=_page(scores),
        samples=[row for f in samples for shard in data_shards(f) for row in read_rows(shard)],
        folders=[*overlaps, *scores, *samples],
    )


def _page(folders: Sequence[Path]) -> str:
    return f"../../{folders[-1].parent.name}/{folders[-1].name}/report.html" if folders else ""


def _missing(scores: list[Path], measured: set[str]) -> dict[str, list[str]]:
    missing: dict[str, list[str]] = {}
    for folder in scores[-1:]:
        for row in read_rows(folder / "rejects-00000.arrow"):
            if row["key"] not in measured:
                missing.setdefault(row["detail"], []).append(row["key"])
    return missing
