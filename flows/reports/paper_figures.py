"""The paper's own figures, of our measurements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator, NullLocator

from flows.reports.svg import AXIS, BLUE, ORANGE, STYLE, label_axes, new_figure, to_svg

_PANELS_ACROSS = 3


@dataclass(frozen=True)
class SizePanel:
    """One figure of models of several sizes."""

    title: str
    paper: Sequence[tuple[float, float]]
    """Parameters and value of each model of the paper, smallest first."""
    ours: Sequence[tuple[float, float]]
    """The same of the models that were scored here."""
    best_of_2019: float | None = None
    """The best result that the paper knew."""


def overlap_curves(curves: Mapping[str, tuple[np.ndarray, np.ndarray]], up_to: float = 100) -> str:
    """Paper figure 5: what share of a text set's examples has at most so much overlap.

    Args:
        curves: By text set, percentages of n-grams found, ascending, and of examples.
        up_to: The highest percentage of n-grams shown.
    """
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(3.0 + 0.12 * len(curves))
        for name, (overlap, examples) in curves.items():
            axes.step([0, *overlap, 100], [0, *examples, 100], where="post", label=name)
        axes.set_xlim(0, up_to)
        axes.set_ylim(0, 101)
        label_axes(axes, "n-grams of an example that are in the training split (%)", "examples (%)")
        figure.legend(frameon=False, loc="outside lower left", ncols=2, fontsize=9)
        return to_svg(figure, "Examples that have at most so much overlap", ", ".join(curves))


def scaling_chart(
    num_parameters: Sequence[int],
    perplexities: Mapping[str, Sequence[float]],
    lines: Mapping[str, Sequence[float]],
) -> str:
    """Paper figure 4: perplexity against size, with the line that fits dashed.

    Args:
        num_parameters: Sizes, without embeddings, ascending.
        perplexities: By split, of each size.
        lines: By split, what the fit says of each size.
    """
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(3.4)
        # A power law is a straight line here, and as in the paper the ticks are the sizes.
        axes.set_xscale("log")
        axes.set_yscale("log")
        for (split, values), colour in zip(perplexities.items(), (ORANGE, BLUE), strict=True):
            axes.plot(num_parameters, values, color=colour, marker="o", markersize=5, label=split)
            axes.plot(num_parameters, lines[split], color=colour, linestyle="--", linewidth=1)
        axes.set_xticks(num_parameters, [f"{count / 1e6:.3g} M" for count in num_parameters])
        axes.set_xticks([], minor=True)
        # Perplexities of one family lie within a factor of a few: powers of ten would be one tick.
        axes.yaxis.set_major_locator(MaxNLocator(6))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:,.4g}")
        label_axes(axes, "parameters, without embeddings", "perplexity per token")
        axes.legend(frameon=False)
        return to_svg(figure, "Perplexity per token by parameters", ", ".join(perplexities))


def score_panels(panels: Sequence[SizePanel]) -> str:
    """The paper's table 3, drawn: score against size, a panel per figure, at least one."""
    num_rows = -(-len(panels) // _PANELS_ACROSS)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 0.4 + 2.1 * num_rows), layout="constrained")
        grid = figure.subplots(num_rows, _PANELS_ACROSS, squeeze=False).ravel()
        for axes, panel in zip(grid, panels, strict=False):
            _draw_panel(axes, panel)
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        handles, labels = max((axes.get_legend_handles_labels() for axes in grid), key=_num_labels)
        figure.legend(handles, labels, frameon=False, loc="outside upper left", ncols=3)
        named = ", ".join(panel.title for panel in panels)
        return to_svg(figure, "Scores by parameters, ours and the paper's", named)


def calibration_chart(
    confidences: Sequence[float], accuracies: Sequence[float], num_answers: Sequence[int]
) -> str:
    """How many answers of like confidence are right; of a calibrated model they lie on the line.

    Args:
        confidences: Mean of each group of answers, from 0 to 1, ascending.
        accuracies: The right ones of each, from 0 to 1.
        num_answers: How many each has: the area of its point.
    """
    most = max(num_answers, default=1)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.4, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.plot([0, 100], [0, 100], color=AXIS, linestyle="--", linewidth=1)
        x, y = [100 * each for each in confidences], [100 * each for each in accuracies]
        axes.plot(x, y, color=BLUE, linewidth=1)
        axes.scatter(x, y, s=[12 + 100 * count / most for count in num_answers], color=BLUE)
        axes.set_xlim(0, 100)
        axes.set_ylim(-2, 102)
        label_axes(axes, "confidence (%)", "right answers (%)")
        return to_svg(figure, "Right answers by confidence", f"{sum(num_answers):,} answers")


def _draw_panel(axes: Axes, panel: SizePanel) -> None:
    axes.set_xscale("log")
    sizes, values = zip(*panel.paper, strict=True)
    axes.plot(sizes, values, color=AXIS, marker="o", markersize=4, label="paper")
    sizes, values = zip(*panel.ours, strict=True)
    axes.plot(sizes, values, color=BLUE, marker="D", linestyle="none", label="ours")
    if panel.best_of_2019 is not None:
        axes.axhline(panel.best_of_2019, color=ORANGE, linestyle=":", label="best before")
    values = [value for _, value in (*panel.paper, *panel.ours)]
    if max(values) > 10 * min(values) > 0:  # a small model's perplexity would flatten the others
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:,.4g}")
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(labelsize=8)
    axes.set_title(panel.title, fontsize=9, loc="left")


def _num_labels(legend: tuple[list, list]) -> int:
    return len(legend[1])
