"""The n-grams of the example texts: kept per example on disk, indexed once, looked up in bulk."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from corpus.atomic import atomic_path
from corpus.shards import BATCH_ROWS, open_shard

_EXAMPLES: Final = pa.schema(
    [
        ("text_set", pa.string()),
        ("ngrams", pa.large_list(pa.uint64())),
    ]
)


class Example(NamedTuple):
    """One text of a text set, as its n-grams."""

    text_set: str
    ngrams: np.ndarray
    """Hashes in text order, repeats included, uint64; empty if the text is too short."""


def write_examples(path: Path, examples: Iterable[Example]) -> int:
    """Write `examples` so that reading maps them into memory, and return how many there were."""
    num_examples = 0
    pending: list[Example] = []
    with atomic_path(path) as temporary, pa.ipc.new_file(temporary, _EXAMPLES) as out:
        for example in examples:
            pending.append(example)
            num_examples += 1
            if len(pending) == BATCH_ROWS:
                out.write_batch(_batch(pending))
                pending = []
        if pending:
            out.write_batch(_batch(pending))
    return num_examples


def read_examples(path: Path) -> Iterator[Example]:
    """The examples of one file in the order in which they were written."""
    for batch in _batches(path):
        ngrams = batch.column("ngrams")
        offsets, values = ngrams.offsets.to_numpy(), ngrams.values.to_numpy()
        for i, text_set in enumerate(batch.column("text_set").to_pylist()):
            yield Example(text_set, values[offsets[i] : offsets[i + 1]])


def build_index(paths: Iterable[Path]) -> np.ndarray:
    """All distinct n-grams of these files of examples, ascending, uint64.

    Memory: 16 bytes per n-gram of the examples while it is sorted, whatever the corpus's size.
    """
    parts = [batch.column("ngrams").values.to_numpy() for path in paths for batch in _batches(path)]
    return np.unique(np.concatenate([np.empty(0, np.uint64), *parts]))


def find(index: np.ndarray, hashes: np.ndarray) -> np.ndarray:
    """Positions in `index` of those `hashes` that it holds (int64, in the order of `hashes`).

    Exact for hashes; two different n-grams share a 64-bit hash once in 10**19 pairs.
    """
    if not len(index):
        return np.empty(0, dtype=np.int64)
    positions = np.searchsorted(index, hashes)
    # Beyond the last entry there is nothing to compare with: any entry but itself will do.
    positions[positions == len(index)] = 0
    return positions[index[positions] == hashes]


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    reader = open_shard(path)
    yield from map(reader.get_batch, range(reader.num_record_batches))


def _batch(examples: list[Example]) -> pa.RecordBatch:
    columns = zip(*examples, strict=True)
    arrays = [
        pa.array(column, field.type) for column, field in zip(columns, _EXAMPLES, strict=True)
    ]
    return pa.record_batch(arrays, schema=_EXAMPLES)
