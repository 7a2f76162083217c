"""The benchmark texts of one run of the exact direction, read once and kept part by part."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from corpus.benchmarks.files import NotAvailableError
from corpus.shards import open_shard, write_shard
from corpus.stage import Inputs, data_shards
from dedup.matches.item_index import build_index
from dedup.matches.shards import PARTS
from dedup.matches.split_ids import split_documents
from dedup.overlap.stage import ngram_length
from dedup.overlap.text_sets import HELD_OUT, TEXT_SETS, WHOLE, Item, text_sets
from dedup.words import scan_words

NgramLength = Annotated[int, Field(ge=1)] | Literal["auto"]
"""Words per n-gram; "auto": by text set, as GPT-3's appendix C has it."""


def write_parts(inputs: Inputs, held_out_ids: Path, max_held_out: int, path: Path) -> None:
    """Keep the texts of all sets, a row per example and part; sets without a file have none."""

    def rows() -> Iterator[dict]:
        for text_set in text_sets(inputs):
            if text_set.items is None:
                texts = _held_out_texts(inputs["documents"], held_out_ids)
                yield from _rows(text_set.slug, ({WHOLE: t} for t in islice(texts, max_held_out)))
            elif "benchmarks" in inputs or text_set not in TEXT_SETS:
                with suppress(NotAvailableError):
                    # A user's file knows where it is.
                    folder = inputs.get("benchmarks", Path())
                    yield from _rows(text_set.slug, text_set.items(folder))

    write_shard(path, rows(), PARTS)


def read_parts(path: Path) -> pa.Table:
    """All rows of the parts file: the benchmarks' texts fit into memory."""
    return open_shard(path).read_all()


def missing_sets(inputs: Inputs, parts: pa.Table) -> list[str]:
    """Names of the sets whose file is not there."""
    there = {HELD_OUT.slug, *parts.column("text_set").unique().to_pylist()}
    return [each.name for each in text_sets(inputs) if each.slug not in there]


def write_indexes(parts: pa.Table, n: NgramLength, folder: Path) -> dict[int, Path]:
    """Index all parts: one index per length of n-gram. Returns its folder by length."""
    lengths = _ngram_lengths(parts, n)
    slugs = parts.column("text_set").to_numpy()
    indexes: dict[int, Path] = {}
    for length in sorted(set(lengths.values())):
        chosen = np.isin(slugs, [slug for slug, each in lengths.items() if each == length])
        rows = np.flatnonzero(chosen)
        texts = parts.column("text").take(rows).combine_chunks()
        indexes[length] = folder / str(length)
        build_index(texts, rows, length).save(indexes[length])
    return indexes


def _ngram_lengths(parts: pa.Table, n: NgramLength) -> dict[str, int]:
    """Words per n-gram, by text set."""
    slugs = parts.column("text_set").to_numpy()
    if n != "auto":
        return dict.fromkeys(slugs, n)
    num_words = np.diff(scan_words(parts.column("text").combine_chunks()).offsets)
    examples = parts.column("example").to_numpy()
    lengths: dict[str, int] = {}
    for slug in dict.fromkeys(slugs):
        chosen = slugs == slug
        per_example = np.bincount(examples[chosen], num_words[chosen])
        lengths[slug] = ngram_length(per_example.astype(int).tolist())
    return lengths


def _held_out_texts(documents: Path, ids: Path) -> Iterator[str]:
    for shard in data_shards(documents, "documents-"):
        for batch in split_documents(shard, ids):
            yield from batch.column("text").to_pylist()


def _rows(slug: str, items: Iterable[Item]) -> Iterator[dict]:
    for number, item in enumerate(items):
        for part, text in item.items():
            yield {"text_set": slug, "example": number, "part": part, "text": text}
