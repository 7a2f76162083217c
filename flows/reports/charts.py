"""The report's charts, as SVG that stands in the page: no file, no script, no font of its own."""

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from matplotlib.typing import RcKeyType

_INK, _MUTED, _BLUE, _ORANGE = "#1f2937", "#9ca3af", "#2563eb", "#d97706"

_STYLE: dict[RcKeyType, object] = {
    "svg.fonttype": "none",  # text stays text: the page's font, selectable, searchable
    "svg.hashsalt": "webtext",  # same data, same bytes
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": _MUTED,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


def bar_chart(labels: Sequence[str], values: Sequence[int], unit: str) -> str:
    """Horizontal bars, the first on top, each with its value."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 0.4 + 0.27 * max(len(labels), 1)), layout="constrained")
        axes = figure.subplots()
        bars = axes.barh(labels, values, color=_BLUE, height=0.7)
        axes.bar_label(bars, fmt="{:,.0f}", padding=4)
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.set_xlabel(unit)
        axes.xaxis.set_visible(False)
        axes.spines[["bottom", "left"]].set_visible(False)
        axes.tick_params(left=False)
        return _svg(figure)


def length_histogram(lengths: Sequence[int]) -> str:
    """How many documents have how many characters, on a logarithmic axis."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 2.6), layout="constrained")
        axes = figure.subplots()
        low, high = min(lengths), max(lengths) + 1
        ratio = (high / low) ** (1 / 30)
        axes.hist(lengths, bins=[low * ratio**i for i in range(31)], color=_BLUE)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_xlabel("characters per document")
        axes.set_ylabel("documents")
        return _svg(figure)


def loss_curve(
    steps: Sequence[int],
    losses: Sequence[float],
    val_steps: Sequence[int],
    val_losses: Sequence[float],
    unigram_loss: float | None,
) -> str:
    """Training and held-out loss by step, with the unigram model's loss as the bar to beat."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 3.2), layout="constrained")
        axes = figure.subplots()
        axes.plot(steps, losses, color=_MUTED, linewidth=1, label="training")
        axes.plot(val_steps, val_losses, color=_BLUE, marker="o", markersize=4, label="held-out")
        if unigram_loss is not None:
            axes.axhline(unigram_loss, color=_ORANGE, linestyle="--", label="unigram model")
        axes.set_xlabel("step")
        axes.set_ylabel("loss (nats per token)")
        axes.legend(frameon=False)
        return _svg(figure)


def overlap_curves(curves: Mapping[str, tuple[np.ndarray, np.ndarray]], up_to: float = 100) -> str:
    """Paper figure 5: what share of a text set's examples has at most so much overlap.

    Args:
        curves: By text set, percentages of n-grams found, ascending, and of examples.
        up_to: The highest percentage of n-grams shown.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 3.6), layout="constrained")
        axes = figure.subplots()
        for name, (overlap, examples) in curves.items():
            axes.step([0, *overlap, 100], [0, *examples, 100], where="post", label=name)
        axes.set_xlim(0, up_to)
        axes.set_ylim(0, 101)
        axes.set_xlabel("n-grams of an example that are in the training split (%)")
        axes.set_ylabel("examples (%)")
        figure.legend(frameon=False, loc="outside right upper")
        return _svg(figure)


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
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 3.6), layout="constrained")
        axes = figure.subplots()
        # A power law is a straight line here, and as in the paper the ticks are the sizes.
        axes.set_xscale("log")
        axes.set_yscale("log")
        for (split, values), colour in zip(perplexities.items(), (_ORANGE, _BLUE), strict=True):
            axes.plot(num_parameters, values, color=colour, marker="o", markersize=5, label=split)
            axes.plot(num_parameters, lines[split], color=colour, linestyle="--", linewidth=1)
        axes.set_xticks(num_parameters, [f"{count / 1e6:.3g} M" for count in num_parameters])
        axes.set_xticks([], minor=True)
        # Perplexities of one family lie within a factor of a few: powers of ten would be one tick.
        axes.yaxis.set_major_locator(MaxNLocator(6))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:,.4g}")
        axes.set_xlabel("parameters, without embeddings")
        axes.set_ylabel("perplexity per token")
        axes.legend(frameon=False)
        return _svg(figure)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    markup = buffer.getvalue()
    return markup[markup.index("<svg") :]
