"""The first pass over another crawl's archive: one WARC file becomes sorted runs of its pages."""

import hashlib
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from corpus.atomic import atomic_path, no_room_named, write_bytes
from corpus.errors import WebtextError
from corpus.schema import REJECTS
from corpus.shards import shard_name, write_shard
from corpus.stage import reject
from crawler.archive.foreign import Damage, Record, iterate_records
from crawler.archive.gzip_members import gzip_member
from crawler.archive.records import info_record
from crawler.links.rules import Rejection, Rules
from crawler.links.sorted_runs import Run, RunWriter
from crawler.links.urls import NotAPageError, canonical_url, host_of, registrable_domain
from crawler.pages.archived import ArchivedPage, ArchivesConfig, judge

_JUDGED = {"response", "revisit"}
_encode = msgspec.json.Encoder().encode


class ArchiveFile(msgspec.Struct, frozen=True):
    """One file to read."""

    index: int
    path: Path
    """Absolute: the lineage names it so."""
    config: ArchivesConfig
    takedown: Path | None
    output: Path
    """The stage's folder."""
    work: Path
    """The folder for what the second pass needs."""

    @property
    def marker(self) -> Path:
        """Its presence says that the file was read."""
        return self.work / f".archive-{self.index:05d}.json"


class FoundPage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A page on its way through the sort by URL."""

    fetched_s: int | None
    file_index: int
    number: int
    """Of the record in its file."""
    archive: str
    """The archive's name, for a person."""
    warc: str
    """What holds the record: an absolute path, or a file in the stage's folder."""
    offset: int
    status: int
    content_type: str
    digest: str

    @property
    def rank(self) -> tuple[int, int, int]:
        """Of the pages of one address the highest is kept: the latest, then the last."""
        return (self.fetched_s or 0, self.file_index, self.number)


class Reading(msgspec.Struct):
    """What came of a file."""

    index: int
    num_incoming: int = 0
    num_pages: int = 0
    num_copied: int = 0
    num_others: int = 0
    """Records that are no responses: requests, metadata, resources, conversions."""
    num_damaged: int = 0
    first_damage: str = ""
    problem: str = ""
    runs: list[Run] = []


def read_archive(file: ArchiveFile) -> Reading:
    """Read a file once: spool its pages, keep its rejects, and say what came of it.

    Raises:
        WebtextError: there is no WARC record in it, or no space left.
    """
    if file.marker.is_file():
        return msgspec.json.decode(file.marker.read_bytes(), type=Reading)
    reading = Reading(file.index)
    runs = RunWriter(file.work, f".run-{file.index:05d}", file.config.partitions)
    # The rejects of the second pass have the partitions' numbers, those of the first follow.
    rejects = file.output / shard_name("rejects", file.config.partitions + file.index)
    with no_room_named(file.output), _Copies(file) as copies:
        write_shard(rejects, _sort_out(file, reading, runs, copies), REJECTS)
        reading.runs = runs.finish()
    if reading.num_damaged:
        reading.problem = (
            f"{file.path} has {reading.num_damaged:,} damaged places, the first "
            f"{reading.first_damage}. All other pages were used. Get the file again and compare "
            "its size and checksum with the publisher's."
        )
    write_bytes(file.marker, _encode(reading))
    return reading


def _sort_out(
    file: ArchiveFile, reading: Reading, runs: RunWriter, copies: "_Copies"
) -> Iterator[dict[str, str]]:
    """Spool the pages of a file and yield what is none."""
    rules = Rules(file.config, file.takedown)
    number = 0
    for number, record in enumerate(iterate_records(file.path, file.config.max_body_bytes), 1):
        if isinstance(record, Damage):
            yield _count_damage(file, reading, record)
            continue
        if record.kind not in _JUDGED:
            reading.num_others += 1
            continue
        reading.num_incoming += 1
        found = judge(record, file.config, rules)
        if isinstance(found, Rejection):
            yield reject(_key(record), found.reason, found.detail)
            continue
        reading.num_pages += 1
        place = (str(file.path), record.offset)
        if not record.stands_alone:
            place = copies.add(record)
            reading.num_copied += 1
        domain = registrable_domain(host_of(found.url))
        partition = zlib.crc32(domain.encode()) % file.config.partitions
        runs.add(partition, found.url, _encode(_row(file, number, found, place)))
    if reading.num_damaged == number:
        raise WebtextError(
            f"{file.path} holds no WARC record{', ' * bool(number)}{reading.first_damage}",
            hint="Is it the right file, and was it downloaded whole? A WARC file begins with "
            "WARC/1.0 or WARC/1.1, compressed with gzip or not.",
        )


def _count_damage(file: ArchiveFile, reading: Reading, damage: Damage) -> dict[str, str]:
    reading.num_incoming += 1
    reading.num_damaged += 1
    reading.first_damage = reading.first_damage or f"at byte {damage.offset}: {damage.detail}"
    return reject(f"{file.path.name}:{damage.offset}", "bad_record", damage.detail)


def _key(record: Record) -> str:
    try:
        return canonical_url(record.target)
    except NotAPageError:
        return record.target


def _row(file: ArchiveFile, number: int, page: ArchivedPage, place: tuple[str, int]) -> FoundPage:
    return FoundPage(
        fetched_s=None if page.fetched_at is None else int(page.fetched_at.timestamp()),
        file_index=file.index,
        number=number,
        archive=file.path.name,
        warc=place[0],
        offset=place[1],
        status=page.status,
        content_type=page.content_type,
        digest=hashlib.sha256(page.body).hexdigest(),
    )


class _Copies:
    """The archive file of ours that takes a file's records which its offsets do not find.

    It is begun with the first one, and appears under its name when the body ends well.
    """

    def __init__(self, file: ArchiveFile) -> None:
        self._path = file.output / f"archive-{file.index:05d}.warc.gz"
        self._source = file.path
        self._stack = ExitStack()
        self._out: BinaryIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def add(self, record: Record) -> tuple[str, int]:
        """Copy a record as it is; return the file's name and where it lies in it."""
        out = self._out = self._out or self._begin()
        offset = out.tell()
        out.write(gzip_member(record.raw, b"\r\n\r\n"))
        return self._path.name, offset

    def _begin(self) -> BinaryIO:
        temporary = self._stack.enter_context(atomic_path(self._path))
        out = self._stack.enter_context(temporary.open("wb"))
        info = {"description": f"Records of {self._source.name}, a gzip member each"}
        out.write(info_record(self._path.name, info))
        return out
