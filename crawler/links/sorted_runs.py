"""Sorts more lines than fit into memory: sorted runs of bounded size on disk, merged when read.

A line is a key, a zero byte and a payload, and the order is that of its bytes: lines of one key lie
together, and the same lines come out in the same order however they were spread over runs. A run
file holds all partitions one after the other, so that 512 partitions do not make 512 files of it.
"""

import heapq
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from corpus.atomic import fsync_path

RUN_BYTES = 32 * 1024 * 1024
"""Memory for lines that wait to be sorted and written."""
_LINE_OVERHEAD_BYTES = 41  # of a Python bytes object and of its place in a list
# Open files per merge: far below the usual limit of 1,024, with a buffer each.
_MAX_OPEN = 64
_BUFFER_BYTES = 64 * 1024


class Run(msgspec.Struct, frozen=True):
    """A file of sorted lines, partition after partition."""

    name: str
    """In the folder of its writer: the folder may be moved between two runs of the stage."""
    starts: list[int]
    """Byte offset of each partition, and the file's size."""


class RunWriter:
    """Takes lines in any order and writes them as sorted runs.

    Args:
        folder: Where the run files are written.
        stem: How their names begin; a number follows.
        num_partitions: Partitions of each run.
    """

    def __init__(self, folder: Path, stem: str, num_partitions: int = 1) -> None:
        self._folder = folder
        self._stem = stem
        self._waiting: list[list[bytes]] = [[] for _ in range(num_partitions)]
        self._num_bytes = 0
        self._runs: list[Run] = []

    def add(self, partition: int, key: str, payload: bytes) -> None:
        """Take one line; neither part holds a byte below the space."""
        line = b"%b\0%b\n" % (key.encode(), payload)
        self._waiting[partition].append(line)
        self._num_bytes += len(line) + _LINE_OVERHEAD_BYTES
        if self._num_bytes >= RUN_BYTES:
            self._write()

    def finish(self) -> list[Run]:
        """Write what waits, and say where all of it lies."""
        if self._num_bytes:
            self._write()
        return self._runs

    def _write(self) -> None:
        path = self._folder / f"{self._stem}-{len(self._runs):05d}"
        starts = []
        with path.open("wb") as file:
            for lines in self._waiting:
                starts.append(file.tell())
                lines.sort()
                file.writelines(lines)
                lines.clear()
            starts.append(file.tell())
        fsync_path(path)
        self._runs.append(Run(path.name, starts))
        self._num_bytes = 0


def merge_runs(
    folder: Path, runs: Sequence[Run], partition: int, scratch: str
) -> Iterator[tuple[bytes, bytes]]:
    """The (key, payload) pairs of one partition of all runs, sorted.

    Args:
        folder: Where the run files are.
        runs: What `RunWriter.finish` returned, of any number of writers.
        partition: Which one.
        scratch: How the names of further run files may begin: if there are more runs than can be
            open at once, some are merged beforehand. They go when the last pair was taken.
    """
    made: list[Run] = []
    waiting = [run for run in runs if run.starts[partition] < run.starts[partition + 1]]
    while len(waiting) > _MAX_OPEN:
        path = folder / f"{scratch}-{len(made):05d}"
        _write_merged(waiting[:_MAX_OPEN], partition, path)
        # A run of this partition alone, described as if those before it were empty.
        made.append(Run(path.name, [0] * (partition + 1) + [path.stat().st_size]))
        waiting = [*waiting[_MAX_OPEN:], made[-1]]
    for line in heapq.merge(*(_lines(folder, run, partition) for run in waiting)):
        key, _, payload = line.partition(b"\0")
        yield key, payload
    for run in made:
        (folder / run.name).unlink()


def _write_merged(runs: list[Run], partition: int, path: Path) -> None:
    with path.open("wb") as file:
        file.writelines(heapq.merge(*(_lines(path.parent, run, partition) for run in runs)))


def _lines(folder: Path, run: Run, partition: int) -> Iterator[bytes]:
    with (folder / run.name).open("rb", buffering=_BUFFER_BYTES) as file:
        left = run.starts[partition + 1] - file.seek(run.starts[partition])
        while left > 0:
            line = file.readline()
            left -= len(line)
            yield line
