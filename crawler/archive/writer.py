"""Appends to the archive of one partition, file after file; what is settled survives a kill -9.

A link's exchanges are held back until the link is settled and then written with its outcome, in
one go: the archive never holds the answer to a link that has to be fetched again.

A file is written as `.pages-00000-00003.warc.gz.part`. When it is full its bytes are made safe, its
outcomes are written beside it, and it gets its final name, in this order: a process killed between
any of these steps leaves an unfinished file that the next one goes on with.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, NoReturn

from corpus.atomic import fsync_path
from corpus.errors import WebtextError
from crawler.archive.records import exchange_records, info_record, outcome_record
from crawler.archive.settled import Settled, write_settled
from crawler.archive.warc import Headers, Outcome, Response, salvage

logger = logging.getLogger(__name__)

# Outcomes of the file being written are in memory: 0.3 KB each, thrice while they are written.
# As many as 1 GB of real pages has; of dead links alone a file could hold two million.
_MAX_FILE_OUTCOMES = 50_000

# Exchanges held back: what waits is an answer of 3xx or 5xx, mostly of a few hundred bytes.
_MAX_HELD_BYTES = 16 << 20


class Place(NamedTuple):
    """Where a response lies: the archive file's name, the byte offset of its gzip member."""

    warc: str
    offset: int


_NOT_YET = Place("", -1)


class _Held(NamedTuple):
    """Records of a link that is not settled, and where among them its last response begins."""

    records: bytes
    response: int


class ArchiveWriter:
    """Writes the archive files of one partition.

    Args:
        folder: Where they lie.
        index: The partition.
        info: Fields of the record that each file begins with.
        max_file_bytes: Size at which a file is finished.
    """

    def __init__(
        self, folder: Path, index: int, info: Mapping[str, str], max_file_bytes: int
    ) -> None:
        self._folder = folder
        self._index = index
        self._info = info
        self._max_file_bytes = max_file_bytes
        self.settled = Settled()
        """Outcomes in the file being written."""
        self._held: dict[int, _Held] = {}
        self._held_bytes = 0
        self._early: dict[int, Place] = {}
        finished = archive_paths(folder, index)
        self._finished_bytes = sum(path.stat().st_size for path in finished)
        self._open(_number(finished[-1]) + 1 if finished else 0)

    @property
    def num_bytes(self) -> int:
        """Bytes archived so far, in all files."""
        return self._finished_bytes + self._size

    def write_exchange(
        self,
        url: str,
        request: Headers,
        response: Response,
        *,
        cut: bool,
        ip: str = "",
        row: int | None = None,
    ) -> Place:
        """Archive a response and the GET that asked for it.

        Args:
            url: The address asked for.
            request: The request's headers.
            response: With the body as it came, still encoded.
            cut: The body was not downloaded, by our own choice.
            ip: The server's address, where it is known.
            row: The link that it was fetched for; None: for none, such as a robots.txt.

        Returns:
            Where the response lies. For a link's it is not known before the link is settled, and
            then written into its outcome.
        """
        answered, asked = exchange_records(url, request, response, cut=cut, ip=ip)
        with _or_end_process():
            if row is None:
                self._make_room(len(answered) + len(asked))
                return self._append(answered + asked)
            before = self._held.pop(row, _Held(b"", 0)).records
            self._held[row] = _Held(before + answered + asked, len(before))
            self._held_bytes += len(answered) + len(asked)
            while self._held_bytes > _MAX_HELD_BYTES:
                self._release_oldest()
        return _NOT_YET

    def write_outcome(self, row: int, outcome: Outcome) -> None:
        """Archive what is held back of a link, and its outcome: from here on it is settled."""
        with _or_end_process():
            held = self._held.pop(row, _Held(b"", 0))
            early = self._early.pop(row, Place(outcome.warc, outcome.offset))
            self._held_bytes -= len(held.records)
            self._make_room(len(held.records) + _bound_bytes(outcome))
            place = Place(self._name, self._size + held.response) if held.records else early
            outcome = replace(outcome, row=row, warc=place.warc, offset=place.offset)
            self._append(held.records + outcome_record(outcome))
            self.settled.add(outcome)

    def close(self) -> None:
        """Finish the last file; what is held back belongs to links that are not settled."""
        with _or_end_process():
            self._finish_file()

    def _open(self, number: int) -> None:
        """Go on with the file that an earlier process left, or prepare for a new one."""
        self._name = f"pages-{self._index:05d}-{number:05d}.warc.gz"
        self._part = self._folder / f".{self._name}.part"
        if self._part.exists():
            for outcome in salvage(self._part):
                self.settled.add(outcome)
        self._file = self._part.open("ab")
        self._size = self._part.stat().st_size
        self._info_bytes = 0

    def _append(self, records: bytes) -> Place:
        place = Place(self._name, self._size)
        self._file.write(records)
        self._file.flush()
        self._size += len(records)
        return place

    def _make_room(self, num_bytes: int) -> None:
        """Begin a new file if the present one is full, and each file with what it is."""
        is_full = (
            self._size + num_bytes > self._max_file_bytes or len(self.settled) >= _MAX_FILE_OUTCOMES
        )
        if is_full and self._size > self._info_bytes:
            self._finish_file()
            self._open(_number(self._folder / self._name) + 1)
        if self._size == 0:
            info = {"isPartOf": f"pages-{self._index:05d}", **self._info}
            self._append(info_record(self._name, info))
            self._info_bytes = self._size

    def _release_oldest(self) -> None:
        row, held = next(iter(self._held.items()))
        del self._held[row]
        self._held_bytes -= len(held.records)
        self._make_room(len(held.records))
        place = self._append(held.records)
        self._early[row] = Place(place.warc, place.offset + held.response)

    def _finish_file(self) -> None:
        self._file.close()
        if self._size == 0:
            self._part.unlink()
            return
        path = self._folder / self._name
        fsync_path(self._part)
        write_settled(path, self.settled)
        self._part.replace(path)
        fsync_path(self._folder)
        self.settled = Settled()
        self._finished_bytes += self._size
        self._size = 0


def archive_paths(folder: Path, index: int) -> list[Path]:
    """A partition's finished archive files, in the order in which they were written."""
    return sorted(folder.glob(f"pages-{index:05d}-*.warc.gz"))


def _number(archive: Path) -> int:
    return int(archive.name.removesuffix(".warc.gz").rpartition("-")[2])


def end_process(error: Exception) -> NoReturn:
    """End the crawling process at once because its archive cannot be written.

    Raised as an exception, a full disk would be caught by Scrapy and held against the link.
    Nothing is lost: what is settled is in the archive, the rest is fetched by the next process.
    """
    is_bug = not isinstance(error, OSError | WebtextError)
    logger.critical("cannot write the archive: %s", error, exc_info=error if is_bug else None)
    os._exit(1)


@contextmanager
def _or_end_process() -> Iterator[None]:
    try:
        yield
    except (OSError, WebtextError) as exc:
        end_process(exc)


def _bound_bytes(outcome: Outcome) -> int:
    """More than the bytes of an outcome's record: its strings twice and some headers."""
    strings = (outcome.url, outcome.final_url, outcome.detail, outcome.content_type)
    return 1500 + 2 * sum(len(value.encode()) for value in strings)
