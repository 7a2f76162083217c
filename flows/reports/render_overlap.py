"""The contamination report: one self-contained HTML page, and the same as JSON."""

from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import orjson

from corpus.atomic import write_bytes
from corpus.manifest import read_manifest
from dedup.overlap.summary import OverlapRow, overlap_cdf, summarise
from evaluation.clean_subsets import CleanSubsets, clean_subsets
from flows.corpora.catalog import results_of
from flows.corpora.summary import corpus_hash
from flows.reports.page_template import page_template
from flows.reports.paper_figures import overlap_curves

PAGE, DATA = "report.html", "overlap.json"


def render_overlap(overlap: Path, tokens: Path, matches: Path | None = None) -> Path:
    """Write `report.html` and `overlap.json` into a finished overlap folder.

    Args:
        overlap: What the stage "overlap" made.
        tokens: The corpus that it is of. Runs trained on it and scored are split by overlap.
        matches: What the stage "matches" found, exactly, if it was run; its page is linked.

    Returns:
        The page's path.
    """
    manifest = read_manifest(overlap)
    rows = summarise(overlap)
    wholes = [row for row in rows if row.part is None]
    curves = {row.name: overlap_cdf(overlap, row.slug) for row in wholes}
    exact = {} if matches is None else {row.slug: row for row in summarise(matches, "counts")}
    split = dict(_split_scores(overlap, tokens))
    html = page_template("overlap").render(
        corpus_hash=corpus_hash(tokens),
        version=version("webtext"),
        finished=f"{manifest.times.finished:%Y-%m-%d %H:%M} UTC",
        figures=manifest.figures,
        wholes=wholes,
        parts=[row for row in rows if row.part is not None],
        exact=exact,
        matches=None if matches is None else f"../../{matches.parent.name}/{matches.name}",
        cdf_svg=overlap_curves(curves) if curves else "",
        split=split,
    )
    document = {
        "corpus": corpus_hash(tokens),
        "figures": manifest.figures,
        "rows": [asdict(row) for row in rows],
        "exact": [asdict(row) for row in exact.values()],
        "cdf": {row.slug: _points(overlap, row) for row in wholes},
        "clean_subsets": {run: [asdict(row) for row in found.rows] for run, found in split.items()},
    }
    write_bytes(overlap / DATA, orjson.dumps(document, option=orjson.OPT_INDENT_2))
    write_bytes(overlap / PAGE, html.encode())
    return overlap / PAGE


def _split_scores(overlap: Path, tokens: Path) -> Iterator[tuple[str, CleanSubsets]]:
    """The scores of each run that was trained on this corpus, by what of a task was seen."""
    for run in results_of(tokens, "runs", "tokens"):
        for scores in results_of(run, "scores", "run")[-1:]:
            found = clean_subsets(scores, overlap)
            if found.rows:
                yield run.name, found


def _points(overlap: Path, row: OverlapRow) -> dict[str, list[float]]:
    percents, examples = overlap_cdf(overlap, row.slug)
    return {"percent_found": percents.tolist(), "percent_examples": examples.tolist()}
