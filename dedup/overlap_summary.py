"""The overlap table: one row per text set, as in the paper's Table 6."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from corpus.shards import open_shard
from dedup.textsets import TEXT_SETS

OVERLAP: Final = pa.schema(
    [
        ("text_set", pa.string()),
        ("example", pa.int64()),  # its place in the text set, counted from 0
        ("num_ngrams", pa.int64()),
        ("num_found", pa.int64()),  # those of them that the train split holds
    ]
)

# The paper compares LAMBADA's score on examples above and below this overlap (section 4.1).
_HIGH_PERCENT: Final = 15


@dataclass(frozen=True)
class OverlapRow:
    """How much of one text set is in the train split."""

    name: str
    num_examples: int
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


def summarise(folder: Path) -> list[OverlapRow]:
    """The table of one overlap folder; a set without a measured example has no row.

    Raises:
        WebtextError: a shard is damaged.
    """
    counts: dict[str, list[np.ndarray]] = {}
    for path in sorted(folder.glob("overlap-*.arrow")):
        reader = open_shard(path)
        for i in range(reader.num_record_batches):
            batch = reader.get_batch(i)
            names = batch.column("text_set").to_numpy(zero_copy_only=False)
            # (2, num_examples): n-grams, and those found
            both = np.stack([batch.column(c).to_numpy() for c in ("num_ngrams", "num_found")])
            for name in dict.fromkeys(names):
                counts.setdefault(name, []).append(both[:, names == name])
    return [
        _row(text_set.name, np.concatenate(counts[text_set.name], axis=1), text_set.paper_percent)
        for text_set in TEXT_SETS
        if text_set.name in counts
    ]


def _row(name: str, counts: np.ndarray, paper_percent: float | None) -> OverlapRow:
    num_ngrams, num_found = counts
    percents = 100 * num_found / num_ngrams
    return OverlapRow(
        name=name,
        num_examples=len(percents),
        num_ngrams=int(num_ngrams.sum()),
        percent_found=float(100 * num_found.sum() / num_ngrams.sum()),
        mean=float(percents.mean()),
        median=float(np.median(percents)),
        percent_examples_any=float(100 * (num_found > 0).mean()),
        percent_examples_over_15=float(100 * (percents > _HIGH_PERCENT).mean()),
        paper_percent=paper_percent,
    )
