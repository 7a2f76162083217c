"""A run's report: one self-contained HTML page made from manifests, shards and metrics."""

from collections import Counter
from importlib.metadata import version
from pathlib import Path

from markupsafe import Markup

from corpus.atomic import write_bytes
from corpus.manifest import Manifest, is_finished, is_withdrawn, read_record
from corpus.metrics import read_metrics
from corpus.shards import read_rows
from corpus.stage import data_shards
from corpus.takedown.withdrawn import current_version
from evaluation.evaluate import ScoreRow
from flows.corpora.samples import RejectedGroup, Sample, sample_documents, sample_rejects
from flows.corpora.summary import (
    corpus_hash,
    documents_of,
    funnel,
    lineage,
    show_interval,
    show_number,
)
from flows.reports.charts import bar_chart, length_histogram, loss_curve
from flows.reports.gather_results import Results, gather_results
from flows.reports.page_template import page_template

_TOP_DOMAINS = 20
_NUM_DOCUMENTS = 12
_NUM_REJECTED = 5  # of each reason
_REVIEWED_STAGES = ("pages", "documents")


def render_report(run: Path) -> Path:
    """Write `report.html` into a finished run's folder and return its path.

    Scores, samples and overlap are shown as far as they have been made. Of a corpus that a takedown
    withdrew the counts are shown, and nothing that quotes it.
    """
    folders = lineage(run)
    manifests = {stage: read_record(folder) for stage, folder in folders.items()}
    results = gather_results(run)
    rows = list(funnel(folders["tokens"]))
    html = page_template("report").render(
        recipe="webtext demo" if "web" in folders else "webtext",
        corpus_hash=corpus_hash(folders["tokens"]),
        run_id=run.name,
        finished=f"{manifests['run'].times.finished:%Y-%m-%d %H:%M} UTC",
        version=version("webtext"),
        tiles=_tiles(manifests, results),
        funnel=rows,
        widest=max(1, *(row.incoming for row in rows)),
        **_charts(folders, results.score("heldout", "unigram_loss")),
        documents_html=_documents(folders),
        results=results,
        scores=[_score_row(row) for row in results.scores],
        stages=[_stage_row(folder) for folder in (*folders.values(), *results.folders)],
    )
    path = run / "report.html"
    write_bytes(path, html.encode())
    return path


def render_documents(documents: list[Sample], rejected: list[RejectedGroup]) -> Markup:
    """The report's section of documents and rejects; what they say is text, never markup."""
    template = page_template("report_documents")
    return Markup(template.render(documents=documents, rejected=rejected))


def _documents(folders: dict[str, Path]) -> Markup:
    tokens = folders["tokens"]
    if is_withdrawn(tokens):
        newer = current_version(tokens)
        now = f" Corpus {corpus_hash(newer)} took its place." if is_finished(newer) else ""
        return Markup(
            "<h2>Documents</h2><p>This corpus was withdrawn by a takedown: its documents are gone, "
            "and none is shown.{}</p>"
        ).format(now)
    rejected = [
        group
        for stage in _REVIEWED_STAGES
        for group in sample_rejects(folders[stage], _NUM_REJECTED)
    ]
    return render_documents(sample_documents(tokens, _NUM_DOCUMENTS), rejected)


def _tiles(manifests: dict[str, Manifest], results: Results) -> list[dict[str, str]]:
    tokens, run = manifests["tokens"].figures, manifests["run"].figures
    counted = {"links": "links", "pages": "pages fetched", "unique": "unique documents"}
    tiles = {
        **{
            label: f"{manifests[stage].counts.out:,}"
            for stage, label in counted.items()
            if stage in manifests  # pages of another crawl's archive come without links
        },
        "training tokens": f"{tokens['num_train_tokens']:,}",
        "parameters": f"{run['num_parameters']:,}",
    }
    for metric, label in (
        ("loss", "held-out loss, nats per token"),
        ("unigram_loss", "unigram model's loss"),
    ):
        if (value := results.score("heldout", metric)) is not None:
            tiles[label] = f"{value:.2f}"
    return [{"label": label, "value": value} for label, value in tiles.items()]


def _charts(folders: dict[str, Path], unigram_loss: float | None) -> dict[str, str]:
    domains: Counter[str] = Counter()
    lengths: list[int] = []
    documents = documents_of(folders["tokens"])
    for shard in () if is_withdrawn(documents) else data_shards(documents):
        for row in read_rows(shard, ["domain", "text"]):
            domains[row["domain"]] += 1
            lengths.append(len(row["text"]))
    top = domains.most_common(_TOP_DOMAINS)
    metrics = read_metrics(folders["run"])
    val = [line for line in metrics if "val_loss" in line]
    return {
        "domains_svg": bar_chart([name for name, _ in top], [n for _, n in top], "documents")
        if top
        else "",
        "lengths_svg": length_histogram(lengths) if lengths else "",
        "loss_svg": loss_curve(
            [line["step"] for line in metrics],
            [line["loss"] for line in metrics],
            [line["step"] for line in val],
            [line["val_loss"] for line in val],
            unigram_loss,
        ),
    }


def _score_row(row: ScoreRow) -> dict[str, str]:
    return {
        "task": row.task,
        "metric": row.metric,
        "value": show_number(row.value) + ("*" if row.is_partial else ""),
        "interval": show_interval(row.low, row.high),
        "paper_117M": show_number(row.paper_117M),
        "paper_1542M": show_number(row.paper_1542M),
        "num_examples": f"{row.num_examples:,}",
        "protocol": row.protocol,
    }


def _stage_row(folder: Path) -> dict[str, object]:
    manifest = read_record(folder)
    settings = ", ".join(f"{key} {value}" for key, value in manifest.config.items())
    return {
        "stage": manifest.stage,
        "folder": f"{folder.parent.name}/{folder.name}",
        "seconds": manifest.times.seconds,
        "settings": settings,
    }
