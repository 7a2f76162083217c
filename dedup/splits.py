"""The documents of one split: the tokens say which a document belongs to, by its id."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import xxhash

from corpus.errors import WebtextError
from corpus.shards import open_shard
from corpus.stage import data_shards

Split = Literal["train", "val"]
SplitIds = Mapping[Split, np.ndarray]
"""Hashed document ids of each split, uint64, ascending."""


def split_ids(tokens: Path) -> SplitIds:
    """The hashed ids of each split's documents: 8 bytes a document in memory."""
    return {split: ids_of(tokens, split) for split in get_args(Split)}


def ids_of(tokens: Path, split: Split) -> np.ndarray:
    """The hashed ids of one split's documents, uint64, ascending."""
    parts = [
        _id_hashes(batch.column("id"))
        for path in data_shards(tokens, f"{split}-")
        for batch in batches(path, ["id"])
    ]
    return np.sort(np.concatenate([np.empty(0, np.uint64), *parts]))


def split_texts(documents: Path, ids: SplitIds) -> Iterator[tuple[int, dict[Split, pa.Array]]]:
    """The texts of one documents shard by split, a record batch at a time.

    Args:
        documents: The shard.
        ids: The splits that are wanted.

    Yields:
        How many documents the batch has, and the texts of those of them that are in each split.
    """
    for batch in batches(documents, ["id", "text"]):
        texts = batch.column("text")
        chosen: dict[Split, pa.Array] = {
            split: texts.filter(are_in(known, batch)) for split, known in ids.items()
        }
        yield batch.num_rows, chosen


def batches(shard: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of a shard, a record batch at a time."""
    reader = open_shard(shard, list(columns))
    for index in range(reader.num_record_batches):
        yield reader.get_batch(index).select(columns)


def are_in(ids: np.ndarray, documents: pa.RecordBatch) -> pa.Array:
    """Which of these documents are in a split: booleans.

    Args:
        ids: The split's, hashed (`split_ids`).
        documents: With their `id`.
    """
    return pa.array(find(ids, _id_hashes(documents.column("id"))) >= 0)


def find(index: np.ndarray, hashes: np.ndarray) -> np.ndarray:
    """Where in `index`, ascending and without repeats, each of `hashes` is; -1: nowhere; int64.

    Exact for hashes; two different things share a 64-bit hash once in 10**19 pairs.
    """
    if not len(index):
        return np.full(len(hashes), -1, np.int64)
    # Beyond the last entry there is nothing to compare with: any entry but itself will do.
    positions = np.searchsorted(index, hashes) % len(index)
    return np.where(index[positions] == hashes, positions, -1)


def check_complete(num_found: Mapping[Split, int], ids: SplitIds) -> None:
    """See that the documents hold every document of each split.

    Raises:
        WebtextError: they do not.
    """
    for split, known in ids.items():
        if num_found[split] != len(known):
            raise WebtextError(
                f"the tokens name {len(known)} documents of the {split} split, "
                f"the documents hold {num_found[split]} of them",
                hint="Give the tokens that were made from these documents.",
            )


def _id_hashes(ids: pa.Array) -> np.ndarray:
    hashes = (xxhash.xxh3_64_intdigest(document_id.encode()) for document_id in ids.to_pylist())
    return np.fromiter(hashes, np.uint64, len(ids))
