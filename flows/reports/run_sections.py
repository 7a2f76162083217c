"""A training as its report shows it: curves, scores, and what of its texts it has read before."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from corpus.metrics import read_metrics
from dedup.overlap.index import load_index
from evaluation.evaluate import ScoreRow
from evaluation.paper import PAPER_MODELS
from flows.corpora.catalog import results_of
from flows.corpora.summary import show_interval, show_number
from flows.reports.charts import Line, line_chart
from flows.reports.gather_results import Results
from flows.reports.gather_scores import by_figure
from flows.reports.training_text import Piece, mark_training_text

_CURVES: Final = {
    "lr": "learning rate",
    "grad_norm": "gradient norm",
    "tokens_per_s": "tokens per second",
}
"""By their names in metrics.jsonl."""


@dataclass(frozen=True)
class WrittenText:
    """What a model wrote."""

    prompt: str
    pieces: list[Piece]
    percent_found: float | None
    """Of its characters, those in n-grams that the training split has; None: it was not asked."""


def training_charts(run: Path, unigram_loss: float | None) -> dict[str, object]:
    """Loss, and what else was measured at each step, as SVG."""
    steps = read_metrics(run)
    return {
        "loss_svg": line_chart(_losses(steps, unigram_loss), "step", "loss (nats per token)")
        if steps
        else "",
        "curves": [
            line_chart([Line(label, *points, "thin", "blue")], "step", label)
            for name, label in _CURVES.items()
            if (points := measured(steps, name))[0]
        ],
    }


def written_texts(samples: Sequence[dict], tokens: Path) -> list[WrittenText]:
    """The samples, with what the corpus's training split has too marked, if its index is there."""
    indexes = results_of(tokens, "ngrams", "tokens")
    if not indexes or not samples:
        return [
            WrittenText(row["prompt"], [Piece(row["text"], is_found=False)], None)
            for row in samples
        ]
    marked = mark_training_text([row["text"] for row in samples], load_index(indexes[-1]))
    return [
        WrittenText(row["prompt"], pieces, _percent_found(pieces))
        for row, pieces in zip(samples, marked, strict=True)
    ]


def score_rows(results: Results) -> list[dict[str, str]]:
    """The scores as cells, those of one figure together."""
    return [_score_row(row) for group in by_figure(results.scores) for row in group]


def _percent_found(pieces: Sequence[Piece]) -> float:
    found = sum(len(piece.text) for piece in pieces if piece.is_found)
    return 100 * found / max(1, sum(len(piece.text) for piece in pieces))


def _losses(steps: Sequence[dict], unigram_loss: float | None) -> list[Line]:
    held_out = measured(steps, "val_loss")
    lines = [Line("training", *measured(steps, "loss"), "thin", "axis")]
    if held_out[0]:
        lines.append(Line("held out", *held_out, "solid", "blue"))
    if unigram_loss is not None:
        ends = (steps[0]["step"], steps[-1]["step"])
        lines.append(Line("unigram model", ends, [unigram_loss] * 2, "dashed", "orange"))
    return lines


def measured(steps: Sequence[dict], name: str) -> tuple[list[float], list[float]]:
    """The steps at which something was measured, and its values."""
    pairs = [(line["step"], line[name]) for line in steps if line.get(name) is not None]
    return [step for step, _ in pairs], [value for _, value in pairs]


def _score_row(row: ScoreRow) -> dict[str, str]:
    return {
        "task": row.task,
        "metric": row.metric if row.is_nearest else f"or {row.variant}",
        "value": show_number(row.value) + ("*" if row.is_partial else ""),
        "interval": show_interval(row.low, row.high),
        "num_examples": f"{row.num_examples:,}",
        "protocol": row.protocol,
        **{f"paper_{name}": show_number(getattr(row, f"paper_{name}")) for name in PAPER_MODELS},
    }
