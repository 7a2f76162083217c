"""The overlap table, as the paper's Table 6: per text set, and per part where there are parts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from corpus.shards import open_shard, read_rows, shard_name
from dedup.overlap.text_sets import PARTS, TEXT_SETS, WHOLE

OVERLAP: Final = pa.schema(
    [
        ("text_set", pa.string()),  # slug
        ("example", pa.int64()),  # its place in the text set, counted from 0
        ("part", pa.string()),  # "text", or passage, question, answer
        ("num_words", pa.int64()),
        ("num_ngrams", pa.int64()),  # repeats included
        ("num_found", pa.int64()),  # those of them that are found
    ]
)

# The paper compares LAMBADA's score on examples above and below this overlap (section 4).
_HIGH_PERCENT: Final = 15
_OWN_SPLITS: Final = ("train", "valid")
_NAMES: Final = {text_set.slug: text_set.name for text_set in TEXT_SETS}
_PAPER: Final = {text_set.slug: text_set.paper_percent for text_set in TEXT_SETS}


@dataclass(frozen=True)
class OverlapRow:
    """How much of one text set, or of one part of its examples, is in the train split."""

    slug: str
    name: str
    """For people: "PTB", "CoQA, passage"."""
    part: str | None
    """None: all parts of an example together."""
    num_examples: int
    """Those that have an n-gram."""
    num_too_short: int
    """Those that have none, which no other figure counts."""
    num_ngrams: int
    percent_found: float
    """Share of all n-grams of the set: the number of the paper's Table 6."""
    mean: float
    """Mean over the examples of each one's percentage."""
    median: float
    percent_examples_any: float
    """Examples with at least one n-gram found."""
    percent_examples_over_15: float
    paper_percent: float | None
    """What the paper found for WebText."""
    own_split: str | None
    """The split of the text set's own that was there to compare with, "train" or "valid"."""
    own_percent: float | None
    """`percent_found` with that split in place of the training split."""


class _Measured(NamedTuple):
    """The rows of one text set, or of one part of it: a column each, int64."""

    examples: np.ndarray
    num_ngrams: np.ndarray
    num_found: np.ndarray

    def per_example(self) -> "_Measured":
        """The same with an example's parts summed."""
        examples, place = np.unique(self.examples, return_inverse=True)
        sums = (np.bincount(place, weights) for weights in self[1:])
        return _Measured(examples, *(column.astype(np.int64) for column in sums))

    @property
    def percents(self) -> np.ndarray:
        """Of each row's n-grams, those found."""
        return 100 * self.num_found / self.num_ngrams


_Table = Mapping[str, Mapping[str, _Measured]]  # slug, part


def summarise(folder: Path, shards: str = "overlap") -> list[OverlapRow]:
    """The table of one overlap folder; a set without a measured example has no row.

    Args:
        folder: What the stage "overlap" wrote.
        shards: "counts": what the stage "matches" wrote, which counts exactly.

    Raises:
        WebtextError: a shard is damaged.
    """
    own = {split: _read(folder / own_shard(split)) for split in _OWN_SPLITS}
    too_short = _too_short(folder)
    return [
        row
        for slug, parts in _read(folder / shard_name(shards, 0)).items()
        for row in _rows(slug, parts, own, too_short)
    ]


def overlap_cdf(folder: Path, slug: str) -> tuple[np.ndarray, np.ndarray]:
    """How a text set's examples spread: the points of the paper's figure 5.

    Args:
        folder: What the stage "overlap" wrote.
        slug: The text set.

    Returns:
        Percentages of n-grams found, ascending without repeats, and the percentage of examples
        that have as much or less; both float64 of the same shape, empty for an unmeasured set.
    """
    parts = _read(folder / shard_name("overlap", 0)).get(slug)
    if parts is None:
        return np.empty(0), np.empty(0)
    percents, counts = np.unique(_together(parts).percents, return_counts=True)
    return percents, 100 * np.cumsum(counts) / counts.sum()


def own_shard(split: str) -> str:
    """The shard with the text sets' overlap with this split of their own."""
    return shard_name(f"own-{split}", 0)


def row_key(row: Mapping[str, object]) -> str:
    """The name of an example's part in a rejects shard."""
    return f"{row['text_set']}:{row['example']}:{row['part']}"


def _rows(
    slug: str,
    parts: Mapping[str, _Measured],
    own: Mapping[str, _Table],
    too_short: Mapping[tuple[str, str], set[int]],
) -> Iterator[OverlapRow]:
    split = next((split for split, table in own.items() if slug in table), None)
    own_parts = own[split][slug] if split else {}
    whole = _together(parts)
    never = set().union(*(too_short.get((slug, part), ()) for part in (WHOLE, *PARTS)))
    never -= set(whole.examples.tolist())
    own_whole = _together(own_parts) if own_parts else None
    yield _row(slug, None, whole, len(never), split, own_whole)
    for part in PARTS:
        if part in parts:
            num_too_short = len(too_short.get((slug, part), ()))
            yield _row(slug, part, parts[part], num_too_short, split, own_parts.get(part))


def _row(
    slug: str,
    part: str | None,
    measured: _Measured,
    num_too_short: int,
    split: str | None,
    own: _Measured | None,
) -> OverlapRow:
    percents = measured.percents
    name = _NAMES.get(slug, slug)
    return OverlapRow(
        slug=slug,
        name=f"{name}, {part}" if part else name,
        part=part,
        num_examples=len(percents),
        num_too_short=num_too_short,
        num_ngrams=int(measured.num_ngrams.sum()),
        percent_found=_percent_found(measured),
        mean=float(percents.mean()),
        median=float(np.median(percents)),
        percent_examples_any=float(100 * (percents > 0).mean()),
        percent_examples_over_15=float(100 * (percents > _HIGH_PERCENT).mean()),
        paper_percent=None if part else _PAPER.get(slug),
        own_split=split,
        own_percent=None if own is None else _percent_found(own),
    )


def _percent_found(measured: _Measured) -> float:
    return float(100 * measured.num_found.sum() / measured.num_ngrams.sum())


def _together(parts: Mapping[str, _Measured]) -> _Measured:
    columns = zip(*parts.values(), strict=True)
    return _Measured(*(np.concatenate(column) for column in columns)).per_example()


def _read(path: Path) -> dict[str, dict[str, _Measured]]:
    """The rows of a shard by text set and part, sets in the order of the shard; {}: no shard."""
    if not path.is_file():
        return {}
    table = open_shard(path).read_all()
    slugs = table["text_set"].to_numpy()
    part_names = table["part"].to_numpy()
    columns = [table[name].to_numpy() for name in ("example", "num_ngrams", "num_found")]
    measured: dict[str, dict[str, _Measured]] = {}
    for slug in table["text_set"].unique().to_pylist():
        for part in (WHOLE, *PARTS):
            chosen = (slugs == slug) & (part_names == part)
            if chosen.any():
                rows = _Measured(*(column[chosen] for column in columns))
                measured.setdefault(slug, {})[part] = rows
    return measured


def _too_short(folder: Path) -> dict[tuple[str, str], set[int]]:
    """The examples without an n-gram by text set and part."""
    found: dict[tuple[str, str], set[int]] = {}
    for row in read_rows(folder / shard_name("rejects", 0), ["key"]):
        slug, example, part = row["key"].rsplit(":", 2)
        found.setdefault((slug, part), set()).add(int(example))
    return found
