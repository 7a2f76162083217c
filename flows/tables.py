"""What commands print at their end: the funnel, the scores, the overlap, and where it all lies."""

import shutil
import sys
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from corpus.manifest import read_manifest, read_record
from dedup.decontamination.plan import Plan
from dedup.overlap.summary import summarise
from evaluation.evaluate import ScoreRow
from flows.catalog import finished
from flows.gather_results import gather_results
from flows.summary import FunnelRow, corpus_hash, funnel, lineage, show_number


def closing_lines(run: Path, data: Path) -> RenderableType:
    """The last thing that `webtext demo` and `webtext run` print."""
    tokens = lineage(run)["tokens"]
    parts: list[RenderableType] = ["", funnel_table(tokens), ""]
    if scores := gather_results(run).scores:
        parts += [score_table(scores), ""]
    home = data if data.is_absolute() else Path("$PWD") / data  # for the shell to fill in
    places = {
        "corpus": corpus_hash(tokens),
        "report": run / "report.html",
        "checkpoint": run / "checkpoint",
        "MLflow": f"{_program('mlflow')} ui --backend-store-uri sqlite:///{data}/mlflow/mlflow.db",
        "Prefect": f"PREFECT_HOME={home}/prefect {_program('prefect')} server start",
    }
    # Never wrapped: a command is there to be copied.
    lines = (
        Text(f"{name:<12}{place}", no_wrap=True, overflow="ignore")
        for name, place in places.items()
    )
    return Group(*parts, *lines)


def describe_corpus(tokens: Path) -> RenderableType:
    """A corpus: its hash, funnel, sizes and the folders it was made from."""
    manifest = read_record(tokens)
    figures = ", ".join(f"{name} {show_number(value)}" for name, value in manifest.figures.items())
    folders = Table.grid(padding=(0, 2))
    for stage, folder in lineage(tokens).items():
        folders.add_row(stage, str(folder))
    title = f"corpus {corpus_hash(tokens)}, made {manifest.times.finished:%Y-%m-%d %H:%M} UTC"
    return Group(title, "", funnel_table(tokens), "", figures, "", folders)


def funnel_table(tokens: Path) -> Table:
    """From links to tokens: in, out, and what was dropped by reason."""
    table = _table("stage", "in>", "out>", "dropped, by reason")
    for row in funnel(tokens):
        table.add_row(row.stage, f"{row.incoming:,}", f"{row.out:,}", _dropped(row))
    return table


def score_table(rows: list[ScoreRow]) -> Table:
    """Scores, beside the paper's where it has any."""
    has_paper = any(row.paper_117M is not None for row in rows)
    columns = ("paper 117M>", "paper 1542M>") if has_paper else ()
    table = _table("task", "metric", "value>", *columns)
    for row in rows:
        paper = (show_number(row.paper_117M), show_number(row.paper_1542M)) if has_paper else ()
        table.add_row(row.task, row.metric, show_number(row.value), *paper)
    return table


def overlap_table(overlap: Path) -> Table:
    """The paper's table 6: the share of each text's n-grams found in the training split."""
    table = _table("text", "examples>", "n-grams>", "found %>", "paper %>", "mean %>", "over 15 %>")
    for row in summarise(overlap):
        counts = (f"{row.num_examples:,}", f"{row.num_ngrams:,}")
        shares = (row.percent_found, row.paper_percent, row.mean, row.percent_examples_over_15)
        table.add_row(row.name, *counts, *map(show_number, shares))
    return table


def missing_sets(overlap: Path) -> str:
    """The text sets whose files were not there, if benchmark files were asked for at all."""
    manifest = read_manifest(overlap)
    return str(manifest.figures["not_available"]) if "benchmarks" in manifest.inputs else ""


def plan_lines(plan: Plan, matches: Path) -> Group:
    """What decontamination would take away, before it does."""
    table = _table("text set", "documents>", "characters that match>")
    for slug, each in plan.text_sets.items():
        table.add_row(slug, f"{each.num_documents:,}", f"{each.num_matched_chars:,}")
    lines = [
        f"{plan.num_touched:,} of {plan.num_documents:,} documents hold something of a benchmark: "
        f"{plan.num_dropped:,} would go, the others become {plan.num_pieces:,}; "
        f"{plan.num_removed_chars:,} characters would go."
    ]
    if plan.num_boilerplate:
        lines.append(f"{plan.num_boilerplate:,} matches are boilerplate and would stay.")
    if plan.not_available:
        lines.append(f"Not looked for, as their files are not there: {plan.not_available}.")
    examples = [Text(f"  {e.text_set} {e.example}: “{e.text}” in {e.url}") for e in plan.examples]
    if examples:
        lines.append("The longest matches:")
    return Group(
        *([table] if plan.text_sets else []),
        *map(Text, lines),
        *examples,
        Text(f"all of them, side by side: {matches / 'matches.html'}"),
    )


def corpora_table(data: Path) -> Table:
    """Every corpus in the data folder, oldest first."""
    table = _table("corpus", "made", "documents>", "train tokens>", "val tokens>", "folder")
    for folder, manifest in finished(data, "tokens"):
        sizes = [manifest.figures[f"num_{split}_tokens"] for split in ("train", "val")]
        table.add_row(
            corpus_hash(folder),
            f"{manifest.times.finished:%Y-%m-%d %H:%M}",
            f"{manifest.counts.out:,}",
            *(show_number(size) for size in sizes),
            str(folder),
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        right = column.endswith(">")
        last = column == columns[-1]
        overflow = "fold" if last else "ellipsis"
        table.add_column(
            column.rstrip(">"),
            justify="right" if right else "left",
            no_wrap=not last,
            overflow=overflow,
        )
    return table


def _dropped(row: FunnelRow) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in row.rejects.items())


def _program(name: str) -> str:
    """How to call a program of our environment from here: `make demo` does not activate it."""
    ours = Path(sys.executable).parent / name
    if shutil.which(name) == str(ours):
        return name
    return str(ours.relative_to(Path.cwd()) if ours.is_relative_to(Path.cwd()) else ours)
