"""What a corpus and a training look like, as SVG that stands in the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.ticker import EngFormatter, NullLocator

from flows.reports.svg import BLUE, COLOURS, STYLE, label_axes, new_figure, to_svg

_MAX_POINTS: Final = 600  # of a line: the page is to stay small, however long the training


@dataclass(frozen=True)
class Line:
    """One line of a chart."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    look: Literal["thin", "solid", "dashed"] = "solid"
    """Thin: what is noisy; solid: measured at some places, each a point."""
    colour: str | None = None
    """A name of the page's colours; None: the next of the row."""


def histogram(
    edges: Sequence[float], counts: Sequence[int], label: str, *, is_log: bool = True
) -> str:
    """How many documents there are between each two edges.

    Args:
        edges: Ascending, one more than counts; on a logarithmic axis positive.
        counts: Documents from each edge up to the next.
        label: What is counted by: `characters per document`.
        is_log: Whether the axis is logarithmic.
    """
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(2.4)
        axes.stairs(counts, edges, fill=True, color=BLUE)
        if is_log:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
            axes.xaxis.set_minor_locator(NullLocator())
        label_axes(axes, label, "documents")
        return to_svg(figure, f"Documents by {label}", f"{sum(counts):,} documents")


def time_histogram(days: Sequence[date], counts: Sequence[int], label: str) -> str:
    """How many documents there are of each day or of the days up to the next.

    Args:
        days: Where each bar begins, ascending, and where the last one ends: one more than counts.
        counts: Documents.
        label: What happened on that day: `first posted`.
    """
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(2.4)
        edges = [float(date2num(day)) for day in days]
        axes.stairs(counts, edges, fill=True, color=BLUE)
        locator = AutoDateLocator(maxticks=7)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        label_axes(axes, label, "documents")
        return to_svg(
            figure, f"Documents by day: {label}", f"{sum(counts):,} documents, {days[0]} and later"
        )


def line_chart(lines: Sequence[Line], x_label: str, y_label: str, *, is_log: bool = False) -> str:
    """Measurements along the way, at least one line; a long one is drawn by means of its steps."""
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(3.0)
        for line in lines:
            x, y = _thinned(line)
            axes.plot(x, y, label=line.name, **_look(line))
        if is_log:
            axes.set_yscale("log")
        # Not thousandths: a rate of learning is read as 0.001.
        is_large = max((max(line.y, default=0) for line in lines), default=0) >= 1000
        axes.yaxis.set_major_formatter(EngFormatter(sep=" ") if is_large else "{x:.4g}")
        axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
        label_axes(axes, x_label, y_label)
        if len(lines) > 1:
            axes.legend(frameon=False)
        names = ", ".join(line.name for line in lines)
        return to_svg(figure, f"{y_label} by {x_label}", names)


def _look(line: Line) -> dict[str, Any]:
    looks = {
        "thin": {"linewidth": 1, "alpha": 0.6},
        "solid": {"marker": "o", "markersize": 3.5},
        "dashed": {"linestyle": "--"},
    }
    return looks[line.look] | ({"color": COLOURS[line.colour]} if line.colour else {})


def _thinned(line: Line) -> tuple[list[float], list[float]]:
    num_parts = min(len(line.x), _MAX_POINTS)
    if not num_parts:
        return [], []
    parts = (np.array_split(np.asarray(values, float), num_parts) for values in (line.x, line.y))
    x, y = ([float(part.mean()) for part in each] for each in parts)
    return x, y
