"""Which rows of a shard are of which item: a URL, or a document.

A row is of the item in its column `id`, `url` or `key`, the first of them that it has. The pieces
of a document (ids ID-1, ID-2: docs/decontamination.md) are of the document ID.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.shards import open_shard

TAKEDOWN: Final = "takedown"
"""The reject reason of what was taken down, in a build and afterwards."""

ITEM_COLUMNS: Final = ("id", "url", "key")


def item_of(key: str) -> str:
    """The item that a URL or an id is of."""
    # A dash is part of many addresses; in an id it is followed by the number of the piece.
    return key if "://" in key else key.partition("-")[0]


def items_in(path: Path, gone: pa.Array) -> frozenset[str]:
    """Which of the items `gone` have rows in a shard that would go or change.

    Rejects that say already that the thing was taken down stay as they are.

    Raises:
        WebtextError: the shard is missing or damaged.
    """
    found: set[str] = set()
    for batch in read_columns(path, [*ITEM_COLUMNS, "reason"]):
        found.update(items_of(batch).filter(pa.array(are_gone(batch, gone))).to_pylist())
    return frozenset(found)


def read_columns(path: Path, columns: Iterable[str]) -> Iterator[pa.RecordBatch]:
    """The record batches of a shard with those of the columns that it has; no other is read."""
    names = open_shard(path).schema.names
    reader = open_shard(path, [name for name in columns if name in names])
    for index in range(reader.num_record_batches):
        yield reader.get_batch(index)


def items_of(batch: pa.RecordBatch) -> pa.Array:
    """The item that each row is of."""
    name = next(name for name in ITEM_COLUMNS if name in batch.schema.names)
    keys = batch.column(name)
    documents = pc.replace_substring_regex(keys, "-.*", "")  # pyright: ignore
    return pc.if_else(pc.match_substring(keys, "://"), keys, documents)  # pyright: ignore


def are_gone(batch: pa.RecordBatch, gone: pa.Array) -> np.ndarray:
    """Whether each row is of one of the items `gone`: (N,) bool."""
    found = pc.is_in(items_of(batch), value_set=gone)  # pyright: ignore
    if "reason" in batch.schema.names:
        found = pc.and_(found, pc.not_equal(batch.column("reason"), TAKEDOWN))  # pyright: ignore
    return found.to_numpy(zero_copy_only=False)
