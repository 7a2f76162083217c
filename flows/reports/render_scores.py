"""An evaluation for people and programs: a page, Markdown, JSON, and each example as JSON lines."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import orjson
import pyarrow as pa

from corpus.atomic import atomic_path, write_bytes
from corpus.shards import read_rows
from evaluation.answers.confidence import calibration, most_confident
from evaluation.evaluate import ScoreRow
from evaluation.examples import example_shards
from evaluation.paper import (
    PAPER_MODELS,
    SINGLE_FIGURES,
    TABLE_3,
    TABLE_4,
    TABLE_4_VARIANTS,
    PaperModel,
)
from flows.corpora.summary import show_interval, show_number, show_short
from flows.reports.gather_scores import (
    PAPER_PARAMETERS,
    Evaluation,
    by_figure,
    difference,
    gather_scores,
    paper_figure,
    show_signed,
)
from flows.reports.page_template import page_template
from flows.reports.paper_figures import SizePanel, calibration_chart, score_panels

PAGE, MARKDOWN, SCORES_DATA, EXAMPLES = (
    *("report.html", "scores.md"),
    *("scores.json", "examples.jsonl"),
)

_PAPER: Final = "Radford et al. 2019, Language Models are Unsupervised Multitask Learners"
# Of an interval that is drawn: blank on either side, as a share of what is shown.
_MARGIN: Final = 0.08


def render_scores(scores: Path) -> Path:
    """Write a finished scores folder's page, table, JSON and examples into it.

    The manifest knows nothing of them: they can be made again from the shards at any time.

    Args:
        scores: What the stage "scores" made.

    Returns:
        The page's path.

    Raises:
        WebtextError: the folder is not finished, damaged, or of a version without examples.
    """
    found = gather_scores(scores)
    html = page_template("scores").render(
        evaluation=found,
        size="" if found.num_parameters is None else show_short(found.num_parameters),
        version=version("webtext"),
        finished=f"{found.manifest.times.finished:%Y-%m-%d %H:%M} UTC",
        paper_models=PAPER_MODELS,
        show_number=show_number,
        groups=[_lines(group, found.nearest) for group in by_figure(found.rows)],
        figure_svg=size_figure(found.rows, found.num_parameters),
        **_answers(scores),
    )
    write_bytes(scores / MARKDOWN, markdown(found).encode())
    write_bytes(scores / SCORES_DATA, orjson.dumps(_document(found), option=orjson.OPT_INDENT_2))
    _write_examples(scores)
    write_bytes(scores / PAGE, html.encode())
    return scores / PAGE


def markdown(found: Evaluation) -> str:
    """The scores as a table in Markdown, and below it what is missing."""
    paper = f"paper {found.nearest}"
    columns = ("task", "variant", "metric", "value", "95 %", paper, "difference", "examples")
    lines = [_row(*columns, "protocol"), _row("---", "---", "---", *["---:"] * 5, "---")]
    for row in (row for group in by_figure(found.rows) for row in group):
        lines.append(
            _row(
                row.task,
                row.variant,
                row.metric,
                show_number(row.value) + ("\\*" if row.is_partial else ""),
                show_interval(row.low, row.high),
                show_number(paper_figure(row, found.nearest)),
                show_signed(difference(row, found.nearest)),
                f"{row.num_examples:,}",
                row.protocol,
            )
        )
    notes = ["\\* only the first examples of the set"] if found.is_partial else []
    notes += [f"Not scored: {', '.join(each.keys)}. {each.detail}" for each in found.missing]
    return "\n".join([f"# Zero-shot scores of {found.model}", "", *lines, ""]) + "".join(
        f"\n{note}\n" for note in notes
    )


@dataclass(frozen=True)
class _Line:
    """A row of the page's table."""

    row: ScoreRow
    value: str
    interval: str
    difference: str
    bar: Mapping[str, float] | None
    """Where in the drawing `low`, `high`, `value` and `paper` lie, in percent; None: no interval.
    """


def _lines(group: list[ScoreRow], nearest: PaperModel) -> list[_Line]:
    return [
        _Line(
            row,
            show_number(row.value) + ("*" if row.is_partial else ""),
            show_interval(row.low, row.high),
            show_signed(difference(row, nearest)),
            _bar(row, paper_figure(row, nearest)),
        )
        for row in group
    ]


def _bar(row: ScoreRow, paper: float | None) -> dict[str, float] | None:
    if row.low is None or row.high is None:
        return None
    places = {"low": row.low, "high": row.high, "value": row.value}
    if paper is not None:
        places["paper"] = paper
    first, last = min(places.values()), max(places.values())
    margin = _MARGIN * (last - first)
    return {
        name: 100 * (place - first + margin) / (last - first + 2 * margin)
        for name, place in places.items()
    }


def size_figure(rows: Sequence[ScoreRow], num_parameters: int | None) -> str:
    """Score against size of what table 3 has, as SVG; empty: nothing of it, or no size is known."""
    ours = {(row.task, row.metric): row.value for row in rows if row.is_nearest}
    panels = [
        SizePanel(
            f"{column.task}, {column.metric.removesuffix('_percent').replace('_', ' ')}",
            [(PAPER_PARAMETERS[name], column.values[name]) for name in PAPER_MODELS],
            [(num_parameters, ours[column.task, column.metric])],
            column.values.get("SOTA"),
        )
        for column in TABLE_3
        if num_parameters and (column.task, column.metric) in ours
    ]
    return score_panels(panels) if panels else ""


def _answers(scores: Path) -> dict[str, object]:
    """Calibration and the most confident answers, where questions were asked."""
    for task, shard in example_shards(scores):
        if task == "nq_open":  # the nearest protocol comes first
            examples = pa.Table.from_pylist(list(read_rows(shard)))
            bins = calibration(examples)
            confidences, accuracies, counts = map(list, zip(*bins, strict=True))
            chart = calibration_chart(confidences, accuracies, counts)
            return {"calibration_svg": chart, "confident": most_confident(examples)}
    return {"calibration_svg": "", "confident": []}


def _document(found: Evaluation) -> dict[str, object]:
    tables = {"table 3": TABLE_3, "table 4": TABLE_4, "section 3": SINGLE_FIGURES}
    paper = [
        {"task": column.task, "metric": column.metric, "values": column.values, "place": place}
        for place, columns in tables.items()
        for column in columns
    ]
    return {
        "model": {
            "name": found.model,
            "num_parameters": found.num_parameters,
            "corpus": found.corpus,
            "nearest_of_the_paper": found.nearest,
        },
        "config": found.manifest.config,
        "inputs": {role: each.hash for role, each in found.manifest.inputs.items()},
        "versions": found.manifest.versions,
        "is_partial": found.is_partial,
        "scores": [asdict(row) for row in found.rows],
        "missing": [asdict(each) for each in found.missing],
        "paper": {
            "source": _PAPER,
            "num_parameters": PAPER_PARAMETERS,
            "figures": paper,
            "table 4, other rows": TABLE_4_VARIANTS,
        },
    }


def _write_examples(scores: Path) -> None:
    """Each example's columns, a JSON object a line: figures can be computed from it again."""
    with atomic_path(scores / EXAMPLES) as path, path.open("wb") as file:
        for line in _example_lines(scores):
            file.write(line)


def _example_lines(scores: Path) -> Iterator[bytes]:
    for _, shard in example_shards(scores):
        for row in read_rows(shard):
            yield orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
