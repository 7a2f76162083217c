"""What commands print at their end: the funnel, the scores, the overlap, and where it all lies."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, get_args

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from corpus.manifest import is_finished, is_withdrawn, read_manifest, read_record
from corpus.redact import redact
from dedup.decontamination.plan import Plan
from dedup.overlap.summary import summarise
from dedup.splits import Split
from evaluation.evaluate import ScoreRow
from evaluation.paper import PaperModel
from flows.commands.terminal_text import printable
from flows.corpora.facts import HeldOut, contents, corpus_bytes, held_out, presets, stage_sizes
from flows.corpora.history import history, origin, successor
from flows.corpora.summary import (
    FunnelRow,
    corpora,
    corpus_hash,
    documents_of,
    funnel,
    lineage,
    show_bytes,
    show_interval,
    show_number,
    show_short,
)
from flows.reports.gather_results import gather_results
from flows.reports.gather_scores import Missing, by_figure, difference, paper_figure, show_signed

SPLITS: Final = get_args(Split)

_MAX_VALUES = 8
"""Languages and licences that are named; the others are counted."""
_MAX_CHARS = 40


def closing_lines(run: Path, data: Path) -> RenderableType:
    """The last thing that `webtext demo` and `webtext run` print.

    Records lie on the servers that the environment names, or else in the data folder.
    """
    tokens = lineage(run)["tokens"]
    parts: list[RenderableType] = ["", funnel_table(tokens), ""]
    if scores := gather_results(run).scores:
        parts += [score_table(scores), ""]
    home = data if data.is_absolute() else Path("$PWD") / data  # for the shell to fill in
    mlflow = f"{_program('mlflow')} ui --backend-store-uri sqlite:///{data}/mlflow/mlflow.db"
    prefect = f"PREFECT_HOME={home}/prefect {_program('prefect')} server start"
    places = {
        "corpus": corpus_hash(tokens),
        "report": run / "report.html",
        "checkpoint": run / "checkpoint",
        "MLflow": redact(os.environ.get("MLFLOW_TRACKING_URI") or mlflow),
        "Prefect": redact(os.environ.get("PREFECT_API_URL") or prefect),
    }
    # Never wrapped: a command is there to be copied.
    lines = (
        Text(f"{name:<12}{place}", no_wrap=True, overflow="ignore")
        for name, place in places.items()
    )
    return Group(*parts, *lines)


def describe_corpus(tokens: Path) -> RenderableType:
    """A corpus: its hash, history, funnel, contents, presets and the folders it was made from."""
    manifest = read_record(tokens)
    title = f"corpus {corpus_hash(tokens)}, made {manifest.times.finished:%Y-%m-%d %H:%M} UTC"
    if is_withdrawn(tokens):
        title += f"; {_withdrawn(tokens)}"
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(tokens):
        facts.add_row(name, Text(value))
    sizes = stage_sizes(tokens)
    folders = plain_table("stage", "on disk>", "folder")
    for stage, folder in lineage(tokens).items():
        folders.add_row(stage, show_bytes(sizes[stage]), Text(str(folder)))
    return Group(title, "", funnel_table(tokens), "", facts, "", folders)


def _facts(tokens: Path) -> Iterator[tuple[str, str]]:
    if steps := list(history(tokens)):
        yield "history", ", ".join(map(str, steps))
    documents = documents_of(tokens)
    if is_finished(documents):
        found = contents(documents)
        yield "languages", _top(found.languages)
        yield "licences", "not looked for" if found.licences is None else _top(found.licences)
    if chosen := presets(tokens):
        yield "presets", ", ".join(f"{name} {value}" for name, value in chosen.items())
    figures = read_record(tokens).figures
    sizes = (f"{split} {show_number(figures.get(f'num_{split}_tokens', 0))}" for split in SPLITS)
    yield "tokens", ", ".join(sizes)
    yield "held out", held_out_phrase(held_out(tokens))


def held_out_phrase(held: HeldOut) -> str:
    """`42 documents (4.3 %), 136,837 tokens (4.1 %); 3.1 % of their 8-grams are in train too`."""
    found = held.percent_found
    return (
        f"{held.num_documents:,} documents ({held.percent_documents:.1f} %), "
        f"{held.num_tokens:,} tokens ({held.percent_tokens:.1f} %)"
        + ("" if found is None else f"; {found:.2f} % of their {held.n}-grams are in train too")
    )


def _top(counts: Mapping[str, int]) -> str:
    # What pages state may be anything, of any length.
    some = list(counts.items())[:_MAX_VALUES]
    shown = [f"{printable(name)[:_MAX_CHARS]} {count:,}" for name, count in some]
    others = len(counts) - len(shown)
    return ", ".join([*shown, *([f"{others} others"] if others else [])]) or "no document"


def _withdrawn(tokens: Path) -> str:
    name = successor(tokens)
    return f"withdrawn, see {name}" if name else "withdrawn"


def funnel_table(tokens: Path) -> Table:
    """From links to tokens: in, out, and what was dropped by reason."""
    table = plain_table("stage", "in>", "out>", "dropped, by reason")
    for row in funnel(tokens):
        table.add_row(row.stage, f"{row.incoming:,}", f"{row.out:,}", dropped(row))
    return table


def score_table(
    rows: list[ScoreRow], paper: PaperModel = "117M", missing: Sequence[Missing] = ()
) -> Table:
    """Scores beside those of one of the paper's models, other protocols under the nearest one.

    Args:
        rows: The scores.
        paper: The paper's model to compare with.
        missing: What was not scored: a row for each task.
    """
    # A task has a line of its own, so that the longest metric still leaves room in 80 columns.
    table = plain_table("task, metric", "value>", "95 %>", f"paper\n{paper}>", "ours -\npaper>")
    tasks: set[str] = set()
    for row in (row for group in by_figure(rows) for row in group):
        if row.task not in tasks:
            table.add_row(row.task)
            tasks.add(row.task)
        table.add_row(
            figure_name(row),
            show_number(row.value) + ("*" if row.is_partial else ""),
            show_interval(row.low, row.high),
            show_number(paper_figure(row, paper)),
            show_signed(difference(row, paper)),
        )
    for task in dict.fromkeys(task for each in missing for task in each.tasks):
        if task not in tasks:
            table.add_row(f"{task}: not scored")
    if any(row.is_partial for row in rows):
        table.caption = "* only the first examples of the set"
        table.caption_justify = "left"
    return table


def figure_name(row: ScoreRow) -> str:
    """Below its task: the metric, or how else it was measured."""
    return f"  {row.metric}" if row.is_nearest else f"    or {row.variant}"


def overlap_table(overlap: Path) -> Table:
    """The paper's table 6: the share of each text's n-grams found in the training split."""
    table = plain_table(
        "text", "examples>", "n-grams>", "found %>", "paper %>", "mean %>", "over\n15 %>"
    )
    for row in summarise(overlap):
        counts = (f"{row.num_examples:,}", f"{row.num_ngrams:,}")
        shares = (row.percent_found, row.paper_percent, row.mean, row.percent_examples_over_15)
        name = f"  {row.part}" if row.part else row.name
        table.add_row(Text(printable(name)), *counts, *map(show_number, shares))
    return table


def missing_sets(overlap: Path) -> str:
    """The text sets whose files were not there, if benchmark files were asked for at all."""
    manifest = read_manifest(overlap)
    return str(manifest.figures["not_available"]) if "benchmarks" in manifest.inputs else ""


def plan_lines(plan: Plan, matches: Path) -> Group:
    """What decontamination would take away, before it does."""
    table = plain_table("text set", "documents>", "characters that match>")
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


def describe_corpora(data: Path) -> RenderableType:
    """Every corpus in the data folder, oldest first, withdrawn ones too; below, where from."""
    columns = ("corpus", "made", "documents>", "train\ntokens>", "val\ntokens>", "on disk>")
    table = plain_table(*columns)
    notes: list[str] = []
    for folder, record in corpora(data):
        name = corpus_hash(folder)
        sizes = [int(record.figures.get(f"num_{split}_tokens", 0)) for split in SPLITS]
        table.add_row(
            name,
            f"{record.times.finished:%Y-%m-%d %H:%M}",
            f"{record.counts.out:,}",
            *map(show_short, sizes),
            "" if is_withdrawn(folder) else show_bytes(corpus_bytes(folder)),
        )
        step = origin(folder)
        said = [_withdrawn(folder)] if is_withdrawn(folder) else []
        said += [] if step is None else [str(step)]
        notes += [f"{name}: {'; '.join(said)}"] if said else []
    if not table.row_count:
        return f"there is no corpus in {data}: `webtext demo` or `webtext build RECIPE` makes one"
    return Group(table, *([""] if notes else []), *map(Text, notes))


def plain_table(*columns: str) -> Table:
    """A table without lines: a column called `x>` holds numbers; the last one of words folds."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    words = [column for column in columns if not column.endswith(">")]
    for column in columns:
        folds = column == words[-1]
        table.add_column(
            column.rstrip(">"),
            justify="left" if column in words else "right",
            no_wrap=not folds,
            overflow="fold" if folds else "ellipsis",
        )
    return table


def dropped(row: FunnelRow) -> str:
    """`low_score 136, same_url 78`."""
    return ", ".join(f"{reason} {count:,}" for reason, count in row.rejects.items())


def _program(name: str) -> str:
    """How to call a program of our environment from here: `make demo` does not activate it."""
    ours = Path(sys.executable).parent / name
    if shutil.which(name) == str(ours):
        return name
    return str(ours.relative_to(Path.cwd()) if ours.is_relative_to(Path.cwd()) else ours)
