"""Arrow IPC shards: written atomically, read as memory-mapped record batches."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc

from corpus.atomic import atomic_path
from corpus.errors import WebtextError

BATCH_ROWS = 1024
"""Rows per record batch of a compressed shard: a reader holds one batch, not the shard."""


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


def open_shard(path: Path) -> pa.ipc.RecordBatchFileReader:
    """Open a shard memory-mapped.

    Raises:
        WebtextError: the file is missing, truncated or not an Arrow file.
    """
    try:
        return pa.ipc.open_file(pa.memory_map(str(path)))
    except FileNotFoundError as exc:
        raise WebtextError(
            f"shard {path} is missing", hint="Remove its folder and run the command again."
        ) from exc
    except pa.ArrowInvalid as exc:
        raise WebtextError(
            f"shard {path} is damaged: {exc}", hint="Remove its folder and run the command again."
        ) from exc


def read_rows(path: Path, columns: list[str] | None = None) -> Iterator[dict]:
    """The rows of one shard as dicts, a record batch in memory at a time."""
    reader = open_shard(path)
    for index in range(reader.num_record_batches):
        batch = reader.get_batch(index)
        yield from (batch.select(columns) if columns else batch).to_pylist()


def num_rows(path: Path) -> int:
    """Rows in a shard."""
    reader = open_shard(path)
    return sum(reader.get_batch(index).num_rows for index in range(reader.num_record_batches))


def num_tokens(path: Path) -> int | None:
    """Tokens in a shard; None: it has no column of tokens."""
    reader = open_shard(path)
    if "tokens" not in reader.schema.names:
        return None
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
