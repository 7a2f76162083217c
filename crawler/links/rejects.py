"""Keeps aside what the stage "links" leaves out: most of all submissions, so in columns."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc

from corpus.atomic import atomic_path
from corpus.schema import REJECTS

_BATCH_ROWS = 8192


class RejectColumns:
    """The rejects of one shard, waiting to be written a batch at a time."""

    def __init__(self, out: pa.ipc.RecordBatchFileWriter) -> None:
        self._out = out
        self._keys: list[str] = []
        self._reasons: list[str] = []
        self._details: list[str] = []

    def add(self, key: str, reason: str, detail: str) -> None:
        """One thing was left out."""
        self._keys.append(key)
        self._reasons.append(reason)
        self._details.append(detail)
        if len(self._keys) == _BATCH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if not self._keys:
            return
        columns = (self._keys, self._reasons, self._details)
        arrays = [pa.array(column, pa.string()) for column in columns]
        self._out.write_batch(pa.RecordBatch.from_arrays(arrays, schema=REJECTS))
        for column in columns:
            column.clear()


@contextmanager
def open_rejects(path: Path) -> Iterator[RejectColumns]:
    """A rejects shard to add to; it appears under its name when the body ends well.

    Raises:
        WebtextError: no space left for the shard.
    """
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with (
        atomic_path(path) as temporary,
        pa.ipc.new_file(temporary, REJECTS, options=options) as out,
    ):
        rejects = RejectColumns(out)
        yield rejects
        rejects.flush()
