"""Perplexity against size: one self-contained page, and its figure as a file of its own."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

from corpus.atomic import write_bytes
from corpus.manifest import read_manifest
from corpus.tokens.splits import Split
from flows.corpora.summary import corpus_hash
from flows.reports.page_template import page_template
from flows.reports.paper_figures import scaling_chart
from flows.scaling.fit import FORMULA
from flows.scaling.stage import RESULT, Scaling, read_scaling

PAGE, FIGURE = "report.html", "figure.svg"

SPLIT_NAMES: Final[Mapping[Split, str]] = {"train": "train", "val": "held out"}


def render_scaling(scaling: Path, tokens: Path) -> Path:
    """Write `report.html` and `figure.svg` into a finished scaling folder.

    Args:
        scaling: What the stage "scaling" made.
        tokens: The corpus that its runs were trained on.

    Returns:
        The page's path.
    """
    found = read_scaling(scaling)
    figure = _figure(found)
    html = page_template("scaling").render(
        corpus_hash=corpus_hash(tokens),
        version=version("webtext"),
        finished=f"{read_manifest(scaling).times.finished:%Y-%m-%d %H:%M} UTC",
        scaling=found,
        split_names=SPLIT_NAMES,
        formula=FORMULA,
        result=RESULT,
        figure_svg=figure,
    )
    write_bytes(scaling / FIGURE, figure.encode())
    write_bytes(scaling / PAGE, html.encode())
    return scaling / PAGE


def _figure(scaling: Scaling) -> str:
    sizes = [row.num_parameters for row in scaling.rows]
    return scaling_chart(
        sizes,
        {name: [row.perplexity[s] for row in scaling.rows] for s, name in SPLIT_NAMES.items()},
        {name: [scaling.fits[s].perplexity(n) for n in sizes] for s, name in SPLIT_NAMES.items()},
    )
