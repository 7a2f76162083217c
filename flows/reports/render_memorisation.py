"""What a model repeats of its training text: one self-contained page, and the same as JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
import orjson

from corpus.atomic import write_bytes
from corpus.manifest import read_manifest
from corpus.shards import read_rows
from corpus.stage import data_shards
from dedup.matches.shards import is_boilerplate
from dedup.overlap.summary import overlap_cdf, summarise
from dedup.overlap.text_sets import HELD_OUT
from flows.corpora.summary import corpus_hash, source_of
from flows.reports.page_template import page_template
from flows.reports.paper_figures import overlap_curves
from flows.reports.training_text import Piece, cut_text

PAGE, DATA = "report.html", "memorisation.json"

PAPER: Final[Mapping[str, Mapping[str, str]]] = {
    "samples": {"without_any": "over 30", "under_1": "most"},
    "held out": {"median": "2.6"},
}
"""Section 4 and figure 5, in per cent: samples with k = 40, and WebText's test set."""

_NUM_SHOWN: Final = 10

Curves = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""By text set: percentages of n-grams found, ascending, and of the texts that have at most that."""


@dataclass(frozen=True)
class Repeat:
    """The longest passage that one generated text has in common with the training split."""

    sample: int
    """The text's number, counted from 0."""
    num_words: int
    is_boilerplate: bool
    """Whether many training documents have it."""
    document: str
    """Id of one of those that have it."""
    url: str
    pieces: list[Piece]
    """The whole text, cut where shared passages begin and end."""


def render_memorisation(memorisation: Path, run: Path, generated: Path, matches: Path) -> Path:
    """Write `report.html` and `memorisation.json` into a finished memorisation folder.

    Args:
        memorisation: How much of the texts, and of the held-out split, is in the training split.
        run: The run that wrote the texts.
        generated: The texts.
        matches: Where in the training documents their n-grams are.

    Returns:
        The page's path.
    """
    manifest, sampling = read_manifest(memorisation), read_manifest(generated)
    curves = _curves(memorisation)
    repeats = _repeats(matches, generated)
    document = {
        "run": run.name,
        "corpus": corpus_hash(source_of(memorisation, "tokens")),
        "n": manifest.figures["n"],
        "sampling": sampling.config,
        "num_samples": sampling.counts.out,
        "num_repeating": len(repeats),
        "longest_words": repeats[0].num_words if repeats else 0,
        "overlap": dict(_overlap(memorisation, curves)),
        "paper": PAPER,
        "cdf": {
            name: {"percent_found": percents.tolist(), "percent_texts": texts.tolist()}
            for name, (percents, texts) in curves.items()
        },
        "repeats": [asdict(each) for each in repeats[:_NUM_SHOWN]],
    }
    html = page_template("memorisation").render(
        **document,
        finished=f"{manifest.times.finished:%Y-%m-%d %H:%M} UTC",
        version=version("webtext"),
        cdf_svg=overlap_curves(curves, _widest(curves)),
        matches=f"../../{matches.parent.name}/{matches.name}",
    )
    write_bytes(memorisation / DATA, orjson.dumps(document, option=orjson.OPT_INDENT_2))
    write_bytes(memorisation / PAGE, html.encode())
    return memorisation / PAGE


def read_memorisation(folder: Path) -> dict:
    """What `render_memorisation` wrote as JSON."""
    return orjson.loads((folder / DATA).read_bytes())


def _name(slug: str) -> str:
    return "held out" if slug == HELD_OUT.slug else "samples"


def _curves(memorisation: Path) -> Curves:
    slugs = [row.slug for row in summarise(memorisation) if row.part is None]
    return {_name(slug): overlap_cdf(memorisation, slug) for slug in slugs}


def _overlap(memorisation: Path, curves: Curves) -> Iterator[tuple[str, dict[str, float]]]:
    """What figure 5 says in words, in per cent, by text set."""
    for row in summarise(memorisation):
        if row.part is None:
            percents, texts = curves[_name(row.slug)]
            num_below = int(np.searchsorted(percents, 1.0))  # under 1 %, not 1 % itself
            yield (
                _name(row.slug),
                {
                    "num_texts": row.num_examples,
                    "num_too_short": row.num_too_short,
                    "num_ngrams": row.num_ngrams,
                    "found": row.percent_found,
                    "mean": row.mean,
                    "median": row.median,
                    "without_any": 100 - row.percent_examples_any,
                    "under_1": float(texts[num_below - 1]) if num_below else 0.0,
                },
            )


def _widest(curves: Curves) -> float:
    """Where the axis ends: at the highest overlap of any text, as most have little."""
    highest = max((float(percents[-1]) for percents, _ in curves.values()), default=0.0)
    return min(100.0, max(5.0, 1.05 * highest))


def _repeats(matches: Path, generated: Path) -> list[Repeat]:
    """The texts that repeat something, the longest repeat first."""
    longest: dict[int, dict] = {}
    spans: dict[int, set[tuple[int, int]]] = {}
    for shard in data_shards(matches, "matches-"):
        for match in read_rows(shard):
            sample = match["example"]
            spans.setdefault(sample, set()).add((match["example_start"], match["example_end"]))
            if match["num_words"] > longest.setdefault(sample, match)["num_words"]:
                longest[sample] = match
    texts = [row["text"] for shard in data_shards(generated) for row in read_rows(shard, ["text"])]
    found = (
        Repeat(
            sample=sample,
            num_words=match["num_words"],
            is_boilerplate=is_boilerplate(match),
            document=match["document"],
            url=match["url"],
            pieces=list(cut_text(texts[sample], sorted(spans[sample]))),
        )
        for sample, match in longest.items()
    )
    return sorted(found, key=lambda each: (-each.num_words, each.sample))
