"""A figure as an element of a page: in its font and colours, with a title; no file, no script."""

import io
import re
from typing import Final

from markupsafe import escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler
from matplotlib.typing import RcKeyType

# As the page's style has them in light; there each is a variable, with another value in the dark.
COLOURS: Final = {
    "ink": "#1b2430",
    "axis": "#8b95a5",
    "blue": "#2f6feb",
    "orange": "#c2560c",
    "green": "#0f8a5f",
    "pink": "#b4308f",
    "violet": "#6d4bd8",
    "teal": "#0e7490",
    "brown": "#a16207",
    "red": "#d12f2f",
}
INK, AXIS, BLUE, ORANGE = (COLOURS[name] for name in ("ink", "axis", "blue", "orange"))

STYLE: dict[RcKeyType, object] = {
    "svg.fonttype": "none",  # text stays text: the page's font, selectable, searchable
    "svg.hashsalt": "webtext",  # same data, same bytes
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": AXIS,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.prop_cycle": cycler(color=list(COLOURS.values())[2:]),
}


def new_figure(height: float) -> tuple[Figure, Axes]:
    """A figure so narrow that its text can be read on a phone, where it fills the width; inches."""
    figure = Figure(figsize=(4.8, height), layout="constrained")
    return figure, figure.subplots()


def label_axes(axes: Axes, x_label: str, y_label: str) -> None:
    """Say what the axes measure, with units."""
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)


def to_svg(figure: Figure, title: str, description: str = "") -> str:
    """The figure as an element of a page, in the page's font and colours.

    The variables have their light values for where no page stands around: a file of its own.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    markup = buffer.getvalue()
    body = re.sub(
        r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", "", markup, flags=re.S
    )
    body = body[body.index("<svg") :]
    # Every figure has the same names for its parts, which nothing refers to: a page has several.
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", body)
    for name, colour in COLOURS.items():
        body = body.replace(colour, f"var(--{name}, {colour})")
    told = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    return re.sub(
        r"<svg ([^>]*)>",
        lambda head: f'<svg role="img" stroke-linejoin="round" {head[1]}>{told}',
        body,
        count=1,
    )
