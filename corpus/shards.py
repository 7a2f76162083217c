"""Arrow IPC shards: written atomically, read as record batches, memory-mapped or from S3."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc

from corpus.atomic import atomic_path
from corpus.errors import WebtextError
from corpus.storage.files import num_rows_recorded, open_input
from corpus.storage.s3 import is_s3_error, s3_error

BATCH_ROWS = 1024
"""Rows per record batch of a compressed shard: a reader holds one batch, not the shard."""

_AGAIN = "Remove its folder and run the command again."


def shard_name(kind: str, index: int, suffix: str = "arrow") -> str:
    """`shard_name("train", 3)` is `train-00003.arrow`."""
    return f"{kind}-{index:05d}.{suffix}"


def write_shard(path: Path, rows: Iterable[dict], schema: pa.Schema) -> int:
    """Write `rows` to an Arrow IPC file, zstd-compressed, and return how many there were.

    The bytes depend on the rows and their order only.

    Raises:
        WebtextError: no space left for the shard.
    """
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    num_rows = 0
    with atomic_path(path) as temporary, pa.ipc.new_file(temporary, schema, options=options) as out:
        for batch in _batches(rows, schema):
            out.write_batch(batch)
            num_rows += batch.num_rows
    return num_rows


class ShardReader(pa.ipc.RecordBatchFileReader):
    """The record batches of a shard; a damaged one raises an error that names the file."""

    def __init__(
        self, path: Path, source: pa.NativeFile, options: pa.ipc.IpcReadOptions | None = None
    ) -> None:
        super().__init__(source, options=options)
        self._path = path
        self._is_mapped = isinstance(source, pa.MemoryMappedFile)

    def get_batch(self, i: int) -> pa.RecordBatch:
        """Record batch number `i`."""
        with _damage_named(self._path):
            batch = super().get_batch(i)
            # What is mapped was checked by its sha256, and must not be read before it is used.
            if not self._is_mapped:
                batch.validate(full=True)
            return batch

    def read_all(self) -> pa.Table:
        """All of them, in memory unless they are mapped and not compressed."""
        with _damage_named(self._path):
            return super().read_all()


def open_shard(path: Path, columns: list[str] | None = None) -> ShardReader:
    """Open a shard memory-mapped; one that lies in S3 only is streamed, a batch at a time.

    Args:
        path: The shard; in the mirror of an `s3://` folder it need not be here (corpus.storage).
        columns: Read and inflate only these; None: all.

    Raises:
        WebtextError: the file is missing, truncated or not an Arrow file, or has no such column.
    """
    with _damage_named(path):
        source = pa.memory_map(str(path)) if path.is_file() else open_input(path)
        reader = ShardReader(path, source)
        if columns is None:
            return reader
        names = reader.schema.names
        if missing := [name for name in columns if name not in names]:
            raise WebtextError(
                f"shard {path} has no column {missing[0]}: it was made by another version",
                hint=_AGAIN,
            )
        options = pa.ipc.IpcReadOptions(included_fields=[names.index(name) for name in columns])
        return ShardReader(path, source, options)


def read_rows(path: Path, columns: list[str] | None = None) -> Iterator[dict]:
    """The rows of one shard as dicts, a record batch in memory at a time.

    Raises:
        WebtextError: as `open_shard`; or a batch is damaged.
    """
    reader = open_shard(path, columns)
    for index in range(reader.num_record_batches):
        batch = reader.get_batch(index)
        with _damage_named(path):
            # zstd frames have no checksum: damage may show only in what they hold.
            batch.validate(full=True)
            rows = (batch.select(columns) if columns else batch).to_pylist()
        yield from rows


def num_rows(path: Path) -> int:
    """Rows in a shard."""
    recorded = num_rows_recorded(path)
    if recorded is not None:
        return recorded
    reader = open_shard(path)
    reader = open_shard(path, reader.schema.names[:1])  # one column is enough to count
    return sum(reader.get_batch(index).num_rows for index in range(reader.num_record_batches))


def num_tokens(path: Path) -> int | None:
    """Tokens in a shard; None: it has no column of tokens."""
    if "tokens" not in open_shard(path).schema.names:
        return None
    reader = open_shard(path, ["tokens"])
    batches = (reader.get_batch(index) for index in range(reader.num_record_batches))
    return sum(len(batch.column("tokens").values) for batch in batches)


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _batches(rows: Iterable[dict], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    pending: list[dict] = []
    for row in rows:
        pending.append(row)
        if len(pending) == BATCH_ROWS:
            yield pa.RecordBatch.from_pylist(pending, schema=schema)
            pending = []
    if pending:
        yield pa.RecordBatch.from_pylist(pending, schema=schema)


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Turn what pyarrow raises of a file that is gone or damaged into an error that names it.

    Raises:
        WebtextError: any of them.
    """
    try:
        yield
    except FileNotFoundError as exc:
        raise WebtextError(f"shard {path} is missing", hint=_AGAIN) from exc
    except (OSError, pa.ArrowException) as exc:
        if is_s3_error(exc):
            raise s3_error(str(path), exc) from exc
        raise WebtextError(f"shard {path} is damaged: {exc}", hint=_AGAIN) from exc
