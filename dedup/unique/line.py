"""All documents that are compared, numbered through, and the order in which they stand in line."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from corpus.atomic import no_room_named
from dedup.unique.fingerprints import LINE, read_column, take


class Line:
    """The documents of some fingerprint files; a document's number is its place in them.

    The order in line is another matter: `in_line` knows it. Documents of kept corpora stand
    before all others; after that it is the oldest link, then the URL, then the text. Neither
    shards nor threads play a part.

    Args:
        paths: Fingerprint files, those of kept corpora first.
        num_documents: How many documents each holds.
        num_kept_files: How many of the files are of kept corpora.
    """

    def __init__(self, paths: list[Path], num_documents: list[int], num_kept_files: int) -> None:
        self._paths = paths
        self.starts = np.cumsum([0, *num_documents], dtype=np.int64)
        """int64 of shape (num_files + 1,): the number of each file's first document."""
        self.num_kept = int(self.starts[num_kept_files])
        """Documents of kept corpora: those with a number below this."""

    def __len__(self) -> int:
        return int(self.starts[-1])

    def column(self, name: str) -> np.ndarray:
        """One column of numbers, for all documents."""
        parts = [read_column(path, name) for path in self._paths]
        return np.concatenate(parts) if parts else np.empty(0, np.uint64)

    def in_line(self, documents: np.ndarray) -> np.ndarray:
        """The numbers `documents` (int64, ascending), first in line first."""
        table = self.table(documents, LINE)
        table = table.append_column("is_new", pa.array(documents >= self.num_kept))
        table = table.append_column("document", pa.array(documents))
        keys = [(name, "ascending") for name in ("is_new", *LINE)]
        return table.sort_by(keys)["document"].to_numpy()

    def table(self, documents: np.ndarray, columns: list[str]) -> pa.Table:
        """Some columns of `documents` (int64, ascending)."""
        batches = list(self._take(documents, columns))
        if not batches:
            return pa.table({name: pa.array([], pa.string()) for name in columns})
        return pa.Table.from_batches(batches)

    def copy_shingles(self, documents: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray]:
        """Put the shingles of `documents` (int64, ascending) behind each other into one file.

        Returns:
            The shingles, uint32, mapped; and where each document's begin, int64 of shape
            (len(documents) + 1,).
        """
        lengths = [np.zeros(1, np.int64)]
        with no_room_named(path), path.open("wb") as file:
            for batch in self._take(documents, ["shingles"]):
                column = batch.column("shingles")
                lengths.append(np.diff(column.offsets.to_numpy()))
                column.flatten().to_numpy().tofile(file)
        offsets = np.cumsum(np.concatenate(lengths))
        if not offsets[-1]:  # nothing cannot be mapped
            return np.empty(0, np.uint32), offsets
        return np.memmap(path, np.uint32, "r"), offsets

    def _take(self, documents: np.ndarray, columns: list[str]) -> Iterator[pa.RecordBatch]:
        bounds = np.searchsorted(documents, self.starts)
        for i, path in enumerate(self._paths):
            rows = documents[bounds[i] : bounds[i + 1]] - self.starts[i]
            if len(rows):
                yield from take(path, rows, columns)
