"""Two runs or two corpora beside each other: one self-contained page."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from corpus.atomic import write_bytes
from corpus.errors import UsageError
from corpus.manifest import Manifest, read_record
from corpus.metrics import read_metrics
from flows.corpora.catalog import results_of
from flows.corpora.diff import Changes, Difference, diff_corpora, differing_settings
from flows.corpora.summary import FunnelRow, corpus_hash, funnel, lineage, show_number
from flows.reports.charts import Line, line_chart
from flows.reports.compare_scores import Comparison, compare_scores
from flows.reports.difference_pages import difference_page
from flows.reports.gather_scores import show_signed
from flows.reports.page_template import page_template
from flows.reports.run_sections import measured

_NAMES: Final = {"run": "run", "tokens": "corpus"}
_NUM_EXAMPLES: Final = 5  # URLs of each reason


@dataclass(frozen=True)
class Figure:
    """What both measured."""

    name: str
    a: str
    b: str
    difference: str
    """B less A; empty: nothing to tell."""


def render_difference(a: Path, b: Path, data: Path) -> Path:
    """Write `reports/A-B.html` into the data folder and return its path.

    Args:
        a: A finished run or tokens folder.
        b: Another one of the same kind; differences are from `a`.
        data: The data folder.

    Raises:
        UsageError: one is a run and the other a corpus, or both are the same.
    """
    kinds = [_NAMES[read_record(folder).stage] for folder in (a, b)]
    names = [_name(folder) for folder in (a, b)]
    if kinds[0] != kinds[1]:
        raise UsageError(
            f"{names[0]} is a {kinds[0]}, {names[1]} a {kinds[1]}: they cannot be compared",
            hint="Name two runs or two corpora.",
        )
    if a.resolve() == b.resolve():
        raise UsageError(f"{names[0]} is named twice", hint="Name two different ones.")
    html = page_template("difference").render(
        kind=kinds[0],
        names=names,
        reports=[f"../{each.parent.name}/{each.name}/report.html" for each in (a, b)],
        version=version("webtext"),
        figures=list(_figures(a, b)),
        funnel=list(_funnels(a, b)),
        **(_of_runs(a, b) if kinds[0] == "run" else _of_corpora(a, b)),
    )
    path = difference_page(data, names[0], names[1])
    write_bytes(path, html.encode())
    return path


def _name(folder: Path) -> str:
    return folder.name if read_record(folder).stage == "run" else corpus_hash(folder)


def _of_corpora(a: Path, b: Path) -> dict[str, object]:
    diff = diff_corpora(a, b, _NUM_EXAMPLES)
    return {
        "settings": [_shown(each) for each in diff.settings],
        "changes": _changes(diff.changes) if diff.changes else None,
        "is_withdrawn": diff.changes is None,
        "loss_svg": "",
        "comparison": None,
        "same_corpus": "",
    }


def _of_runs(a: Path, b: Path) -> dict[str, object]:
    records = [{name: read_record(path) for name, path in lineage(each).items()} for each in (a, b)]
    corpora = [corpus_hash(lineage(each)["tokens"]) for each in (a, b)]
    return {
        "settings": [_shown(each) for each in differing_settings(*records)],
        "changes": None,
        "is_withdrawn": False,
        "loss_svg": _losses(a, b),
        "comparison": _scores(a, b),
        "same_corpus": corpora[0] if corpora[0] == corpora[1] else "",
    }


def _shown(each: Difference) -> tuple[str, str, str]:
    old, new = ("none" if value is None else str(value) for value in (each.old, each.new))
    return each.name, old, new


def _changes(changes: Changes) -> list[tuple[str, str, int, list[str]]]:
    """What became of the documents, why, how many, and some of them."""
    groups = {
        "changed": {"other_text": changes.num_changed} if changes.num_changed else {},
        "only in A": changes.dropped,
        "only in B": changes.added,
    }
    keys = {"changed": "changed", "only in A": "dropped", "only in B": "added"}
    return [
        ("in both, the same", "", changes.num_kept, []),
        *(
            (group, reason, count, changes.examples[keys[group]].get(reason, []))
            for group, counts in groups.items()
            for reason, count in counts.items()
        ),
    ]


def _figures(a: Path, b: Path) -> Iterator[Figure]:
    first, second = lineage(a), lineage(b)
    for stage in ("tokens", "run"):
        if stage in first:
            yield from _stage_figures(*(read_record(each[stage]) for each in (first, second)))


def _stage_figures(a: Manifest, b: Manifest) -> Iterator[Figure]:
    figures = [{"documents": each.counts.out, **each.figures} for each in (a, b)]
    if a.stage == "run":
        figures = [each.figures for each in (a, b)]
    for name in dict.fromkeys([*figures[0], *figures[1]]):
        ours, theirs = (each.get(name) for each in figures)
        difference = ""
        if isinstance(ours, int | float) and isinstance(theirs, int | float) and ours != theirs:
            difference = show_signed(theirs - ours)
        words = name.removeprefix("num_").replace("_", " ")
        yield Figure(words, show_number(ours), show_number(theirs), difference)


def _funnels(a: Path, b: Path) -> Iterator[tuple[str, list[FunnelRow | None]]]:
    """Each stage that one of them has, and what went through it."""
    rows = [{row.stage: row for row in funnel(lineage(each)["tokens"])} for each in (a, b)]
    for stage in dict.fromkeys([*rows[0], *rows[1]]):
        yield stage, [each.get(stage) for each in rows]


def _losses(a: Path, b: Path) -> str:
    lines = []
    for letter, run, colour in (("A", a, "blue"), ("B", b, "orange")):
        steps = read_metrics(run)
        if steps:
            lines.append(Line(f"{letter}, training", *measured(steps, "loss"), "thin", colour))
        if (held_out := measured(steps, "val_loss"))[0]:
            lines.append(Line(f"{letter}, held out", *held_out, "solid", colour))
    return line_chart(lines, "step", "loss (nats per token)") if lines else ""


def _scores(a: Path, b: Path) -> Comparison | None:
    """The latest scores of both; None: one has none."""
    scores = [results_of(run, "scores", "run")[-1:] for run in (a, b)]
    return compare_scores([*scores[0], *scores[1]]) if all(scores) else None
