"""A run's report: one self-contained HTML page made from manifests, shards and metrics."""

from collections import Counter
from importlib.metadata import version
from pathlib import Path

import jinja2

from corpus.atomic import write_bytes
from corpus.manifest import Manifest, read_manifest
from corpus.shards import read_rows
from corpus.stage import data_shards
from dedup.overlap import summarise
from evaluation.evaluate import ScoreRow, score_table
from flows.catalog import latest_of
from flows.charts import bar_chart, length_histogram, loss_curve
from flows.summary import corpus_hash, funnel, lineage
from model.metrics import read_metrics

_TOP_DOMAINS = 20


def render_report(run: Path) -> Path:
    """Write `report.html` into a finished run's folder and return its path.

    Scores, samples and overlap are shown as far as they have been made.
    """
    folders = lineage(run)
    tokens = folders["tokens"]
    found = {
        "scores": latest_of(run, "scores", "run"),
        "samples": latest_of(run, "samples", "run"),
        "overlap": latest_of(tokens, "overlap", "tokens"),
    }
    folders |= {stage: folder for stage, folder in found.items() if folder is not None}
    manifests = {stage: read_manifest(folder) for stage, folder in folders.items()}
    rows = list(funnel(tokens))
    html = _template().render(
        recipe=_title(folders),
        corpus_hash=corpus_hash(tokens),
        run_id=run.name,
        finished=f"{manifests['run'].times.finished:%Y-%m-%d %H:%M} UTC",
        version=version("webtext"),
        tiles=_tiles(manifests),
        funnel=rows,
        widest=max(1, *(row.incoming for row in rows)),
        **_charts(folders, manifests),
        **_results(found, manifests),
        stages=[_stage_row(folders[stage], manifest) for stage, manifest in manifests.items()],
    )
    path = run / "report.html"
    write_bytes(path, html.encode())
    return path


def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("report.html.j2")


def _title(folders: dict[str, Path]) -> str:
    return "webtext demo" if "web" in folders else "webtext"


def _tiles(manifests: dict[str, Manifest]) -> list[dict[str, str]]:
    tokens, run = manifests["tokens"].figures, manifests["run"].figures
    tiles = {
        "links": f"{manifests['links'].counts.out:,}",
        "pages fetched": f"{manifests['pages'].counts.out:,}",
        "unique documents": f"{manifests['unique'].counts.out:,}",
        "training tokens": f"{tokens['num_train_tokens']:,}",
        "parameters": f"{run['num_parameters']:,}",
    }
    scores = manifests["scores"].figures if "scores" in manifests else {}
    if "heldout_loss" in scores:
        tiles["held-out loss, nats per token"] = f"{scores['heldout_loss']:.2f}"
        tiles["unigram model's loss"] = f"{scores['unigram_loss']:.2f}"
    return [{"label": label, "value": value} for label, value in tiles.items()]


def _charts(folders: dict[str, Path], manifests: dict[str, Manifest]) -> dict[str, str]:
    domains: Counter[str] = Counter()
    lengths: list[int] = []
    for shard in data_shards(folders["unique"]):
        for row in read_rows(shard, ["domain", "text"]):
            domains[row["domain"]] += 1
            lengths.append(len(row["text"]))
    top = domains.most_common(_TOP_DOMAINS)
    metrics = read_metrics(folders["run"])
    val = [line for line in metrics if "val_loss" in line]
    unigram = manifests["scores"].figures.get("unigram_loss") if "scores" in manifests else None
    return {
        "domains_svg": bar_chart([name for name, _ in top], [n for _, n in top], "documents"),
        "lengths_svg": length_histogram(lengths),
        "loss_svg": loss_curve(
            [line["step"] for line in metrics],
            [line["loss"] for line in metrics],
            [line["step"] for line in val],
            [line["val_loss"] for line in val],
            None if unigram is None else float(unigram),
        ),
    }


def _results(found: dict[str, Path | None], manifests: dict[str, Manifest]) -> dict[str, object]:
    scores, samples, overlap = found["scores"], found["samples"], found["overlap"]
    return {
        "scores": [] if scores is None else [_score_row(row) for row in score_table(scores)],
        "missing_scores": {} if scores is None else _missing(scores),
        "overlap": [] if overlap is None else summarise(overlap),
        "ngram": manifests["overlap"].config["n"] if "overlap" in manifests else 8,
        "samples": []
        if samples is None
        else [row for shard in data_shards(samples) for row in read_rows(shard)],
    }


def _missing(scores: Path) -> dict[str, list[str]]:
    """The metrics that could not be measured, by reason."""
    missing: dict[str, list[str]] = {}
    for row in read_rows(scores / "rejects-00000.arrow"):
        missing.setdefault(row["detail"], []).append(row["key"])
    return missing


def _score_row(row: ScoreRow) -> dict[str, str]:
    def show(value: float | None) -> str:
        return "" if value is None else f"{value:,.2f}"

    return {
        "task": row.task,
        "metric": row.metric,
        "value": f"{row.value:,.3f}",
        "paper_117M": show(row.paper_117M),
        "paper_1542M": show(row.paper_1542M),
        "num_examples": f"{row.num_examples:,}",
        "protocol": row.protocol,
    }


def _stage_row(folder: Path, manifest: Manifest) -> dict[str, object]:
    settings = ", ".join(f"{key} {value}" for key, value in manifest.config.items())
    return {
        "stage": manifest.stage,
        "folder": f"{folder.parent.name}/{folder.name}",
        "seconds": manifest.times.seconds,
        "settings": settings,
    }
