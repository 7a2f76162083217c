"""The outcomes in one archive file, as a shard sorted by URL that lies hidden beside it.

With it a restart knows what is settled without inflating gigabytes, and the partition's shards are
made by merging: no more than a batch per file is in memory.
"""

import heapq
from collections.abc import Iterator
from contextlib import ExitStack
from operator import attrgetter, itemgetter
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc

from corpus.atomic import atomic_path
from crawler.archive.warc import Outcome, iterate_outcomes

_SCHEMA = pa.schema(
    [
        ("url", pa.string()),
        ("outcome", pa.string()),
        ("detail", pa.string()),
        ("status", pa.int16()),
        ("final_url", pa.string()),
        ("content_type", pa.string()),
        ("digest", pa.string()),
        ("fetched_at", pa.int64()),
        ("row", pa.int64()),
        ("warc", pa.string()),
        ("offset", pa.int64()),
    ]
)

# An outcome takes 1 KB as an object and 0.3 KB in a record batch.
_PENDING_ROWS = 1024
# What a merge holds per file: of the hundred files of five million links, 30 MB as objects.
_BATCH_ROWS = 256


class Settled:
    """The outcomes of the archive file being written, in the order in which they come."""

    def __init__(self) -> None:
        self._pending: list[Outcome] = []
        self._batches: list[pa.RecordBatch] = []
        self._num_batched = 0

    def __len__(self) -> int:
        return self._num_batched + len(self._pending)

    def add(self, outcome: Outcome) -> None:
        """Take one more."""
        self._pending.append(outcome)
        if len(self._pending) == _PENDING_ROWS:
            self._pack()

    def table(self) -> pa.Table:
        """All of them."""
        self._pack()
        return pa.Table.from_batches(self._batches, _SCHEMA)

    def _pack(self) -> None:
        if not self._pending:
            return
        columns = [list(map(attrgetter(name), self._pending)) for name in _SCHEMA.names]
        arrays = [pa.array(c, kind) for c, kind in zip(columns, _SCHEMA.types, strict=True)]
        self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA))
        self._num_batched += len(self._pending)
        self._pending.clear()


def settled_path(archive: Path) -> Path:
    """Where the outcomes of an archive file lie, given its final name."""
    stem = archive.name.removesuffix(".warc.gz").replace("pages-", "outcomes-", 1)
    return archive.with_name(f".{stem}.arrow")


def write_settled(archive: Path, settled: Settled) -> None:
    """Write the outcomes of an archive file beside it, sorted by URL, atomically.

    Raises:
        WebtextError: no space left for the shard.
    """
    table = settled.table().sort_by("url")
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with (
        atomic_path(settled_path(archive)) as path,
        pa.ipc.new_file(path, _SCHEMA, options=options) as out,
    ):
        out.write_table(table, max_chunksize=_BATCH_ROWS)


def read_settled(archive: Path, columns: list[str]) -> pa.Table:
    """Some columns of a finished archive file's outcomes, made from the file if they are missing.

    Raises:
        WebtextError: the archive file is damaged.
    """
    path = settled_path(archive)
    if not path.exists():
        settled = Settled()
        for outcome in iterate_outcomes(archive, is_finished=True):
            settled.add(outcome)
        write_settled(archive, settled)
    with _open(path, columns) as reader:
        return reader.read_all().select(columns)


def merge_settled(archives: list[Path], columns: list[str]) -> Iterator[dict]:
    """Those columns of the outcomes of all archive files, in the order of their URLs."""
    with ExitStack() as stack:
        readers = [stack.enter_context(_open(settled_path(path), columns)) for path in archives]
        yield from heapq.merge(*map(_rows, readers), key=itemgetter("url"))


def _open(path: Path, columns: list[str]) -> pa.ipc.RecordBatchFileReader:
    # Read, not mapped: the pages of a mapped file count as memory of this process.
    included = sorted(_SCHEMA.get_field_index(name) for name in columns)
    options = pa.ipc.IpcReadOptions(included_fields=included)
    return pa.ipc.open_file(pa.OSFile(str(path)), options=options)


def _rows(reader: pa.ipc.RecordBatchFileReader) -> Iterator[dict]:
    for index in range(reader.num_record_batches):
        yield from reader.get_batch(index).to_pylist()
