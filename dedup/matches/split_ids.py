"""The documents of one split for worker processes: its ids lie in a file that all of them map."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from corpus.atomic import atomic_path
from dedup.splits import Split, are_in, batches, ids_of

_COLUMNS = ("id", "url", "text")


def write_split_ids(tokens: Path, split: Split, path: Path) -> int:
    """Keep the hashed ids of a split; return how many there are."""
    ids = ids_of(tokens, split)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, ids)
    return len(ids)


def split_documents(documents: Path, ids: Path) -> Iterator[pa.RecordBatch]:
    """The id, url and text of those documents of one shard whose ids `write_split_ids` kept."""
    wanted = np.load(ids, mmap_mode="r")
    for batch in batches(documents, _COLUMNS):
        yield batch.filter(are_in(wanted, batch))
