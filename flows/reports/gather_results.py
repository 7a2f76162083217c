"""What was measured of a run: scores, samples and overlap, over all its evaluations."""

from dataclasses import dataclass
from pathlib import Path

from corpus.manifest import read_manifest
from corpus.shards import read_rows
from corpus.stage import data_shards
from dedup.overlap.summary import OverlapRow, summarise
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
    overlap_page: str
    """The overlap's own report, as seen from the run's folder; empty: there is none."""
    samples: list[dict]
    """Rows of prompt and text."""
    folders: list[Path]
    """The stage folders that all this is from."""

    def score(self, task: str, metric: str) -> float | None:
        """One score; None: not measured."""
        values = (row.value for row in self.scores if (row.task, row.metric) == (task, metric))
        return next(values, None)


def gather_results(run: Path) -> Results:
    """Everything measured of a finished run, or of the corpus that it was trained on."""
    scores = results_of(run, "scores", "run")
    samples = results_of(run, "samples", "run")[-1:]
    overlaps = results_of(lineage(run)["tokens"], "overlap", "tokens")
    # A later evaluation of the same task takes the place of an earlier one.
    rows = {
        (row.task, row.variant, row.metric): row for folder in scores for row in score_table(folder)
    }
    return Results(
        scores=list(rows.values()),
        missing=_missing(scores, {f"{task}.{metric}" for task, _, metric in rows}),
        overlap=list({row.name: row for f in overlaps for row in summarise(f)}.values()),
        ngram=int(read_manifest(overlaps[-1]).figures["n"]) if overlaps else 8,
        overlap_page=f"../../overlap/{overlaps[-1].name}/report.html" if overlaps else "",
        samples=[row for f in samples for shard in data_shards(f) for row in read_rows(shard)],
        folders=[*overlaps, *scores, *samples],
    )


def _missing(scores: list[Path], measured: set[str]) -> dict[str, list[str]]:
    missing: dict[str, list[str]] = {}
    for folder in scores[-1:]:
        for row in read_rows(folder / "rejects-00000.arrow"):
            if row["key"] not in measured:
                missing.setdefault(row["detail"], []).append(row["key"])
    return missing
