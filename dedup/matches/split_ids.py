"""Which documents belong to a split, asked of the token shards, at 8 bytes a document."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import xxhash

from corpus.atomic import atomic_path
from corpus.shards import open_shard, read_rows
from corpus.stage import data_shards
from dedup.overlap.splits import find

_COLUMNS = ("id", "url", "text")


def write_split_ids(tokens: Path, split: str, path: Path) -> int:
    """Keep the hashed ids of a split, ascending; return how many there are."""
    parts = [
        _hashes([row["id"] for row in read_rows(shard, ["id"])])
        for shard in data_shards(tokens, f"{split}-")
    ]
    ids = np.sort(np.concatenate([np.empty(0, np.uint64), *parts]))
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, ids)
    return len(ids)


def split_documents(documents: Path, ids: Path) -> Iterator[pa.RecordBatch]:
    """The id, url and text of those documents of one shard whose ids `write_split_ids` kept."""
    wanted = np.load(ids, mmap_mode="r")
    reader = open_shard(documents)
    for index in range(reader.num_record_batches):
        batch = reader.get_batch(index).select(_COLUMNS)
        hashes = _hashes(batch.column("id").to_pylist())
        yield batch.filter(pa.array(find(wanted, hashes) >= 0))


def _hashes(ids: list[str]) -> np.ndarray:
    hashes = (xxhash.xxh3_64_intdigest(each.encode()) for each in ids)
    return np.fromiter(hashes, np.uint64, len(ids))
