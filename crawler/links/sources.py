"""The first pass of the stage "links": one file of submissions becomes sorted runs of links."""

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from corpus.atomic import no_room_named, write_bytes
from corpus.errors import WebtextError
from corpus.shards import shard_name
from crawler.links.dumps import DamagedError, OnRead, read_dump
from crawler.links.posts import Corrupt, Submission
from crawler.links.reading_progress import Tallies, Tally
from crawler.links.rejects import RejectColumns, open_rejects
from crawler.links.rules import Rules
from crawler.links.sorted_runs import Run, RunWriter
from crawler.links.submissions import (
    Link,
    LinksConfig,
    SubmissionRules,
    detail_of,
)
from crawler.links.url_tables import read_table
from crawler.links.urls import page_key

_encode = msgspec.json.Encoder().encode
# Of these a file that is none of ours consists: comments, logs, pictures.
_FOREIGN = frozenset({"corrupt_line", "no_url"})
_EXPECTED = {
    "submission": "A dump has a submission (a JSON object with its url) on each line.",
    "URL": "A table has a column url, or is a text with a URL on each line.",
}

Read = Callable[[Path, OnRead], Iterator[tuple[int, Submission | Corrupt]]]
"""A kind of source: from a file to its submissions, each with a number that finds it again."""


class Source(msgspec.Struct, frozen=True):
    """One file to read."""

    index: int
    role: str
    """`dump-...` or `urls-...`."""
    path: Path
    config: LinksConfig
    takedown: Path | None
    output: Path
    """The stage's folder."""
    work: Path
    """The folder for what the second pass needs."""

    @property
    def read(self) -> Read:
        """How it is read."""
        return read_dump if self.role.startswith("dump") else read_table

    @property
    def marker(self) -> Path:
        """Its presence says that the file was read."""
        return self.work / f".source-{self.index:05d}.json"


class Reading(msgspec.Struct):
    """What came of a file."""

    num_submissions: int = 0
    num_links: int = 0
    num_corrupt: int = 0
    num_foreign: int = 0
    """Lines that are no submissions; the corrupt ones are among them."""
    problem: str = ""
    runs: list[Run] = []

    def count(self, reason: str) -> None:
        """One line was left out."""
        self.num_corrupt += reason == "corrupt_line"
        self.num_foreign += reason in _FOREIGN


def tallies_path(work: Path) -> Path:
    """Where the readers tell how far they are."""
    return work / ".tallies"


def read_source(source: Source) -> Reading:
    """Read a file once: spool its links, keep its rejects, and say what came of it.

    Raises:
        UsageError: the file cannot be opened, or is a table without URLs.
        WebtextError: it holds no submission, or more corrupt lines than are allowed.
    """
    if source.marker.is_file():
        reading = msgspec.json.decode(source.marker.read_bytes(), type=Reading)
        _tally(source, reading, source.path.stat().st_size)
        return reading
    reading = Reading()
    runs = RunWriter(source.work, f".run-{source.index:05d}", source.config.partitions)
    # The rejects of the second pass have the partitions' numbers, those of the first follow.
    rejects_name = shard_name("rejects", source.config.partitions + source.index)
    with no_room_named(source.output), open_rejects(source.output / rejects_name) as rejects:
        try:
            _sort_out(source, reading, runs, rejects)
        except DamagedError as exc:
            reading.problem = (
                f"{exc}. These were used. Get the file again, compare its size and checksum with "
                "the publisher's, and run the same command again."
            )
        _check_holds_some(source, reading)
        reading.runs = runs.finish()
    _tally(source, reading, source.path.stat().st_size)
    write_bytes(source.marker, msgspec.json.encode(reading))
    return reading


def _sort_out(source: Source, reading: Reading, runs: RunWriter, rejects: RejectColumns) -> None:
    submission_rules = SubmissionRules(source.config, Rules(source.config, source.takedown))
    tallies = Tallies(tallies_path(source.work))

    def on_read(num_bytes: int) -> None:
        tally = Tally(num_bytes, reading.num_submissions, reading.num_links)
        tallies.set(source.index, tally)

    for number, submission in source.read(source.path, on_read):
        reading.num_submissions += 1
        if isinstance(submission, Corrupt):
            reason, detail = "corrupt_line", submission.detail
        elif reason := submission_rules.reject_fields(submission):
            detail = detail_of(submission, reason)
        else:
            found = submission_rules.follow(submission)
            if isinstance(found, Link):
                reading.num_links += 1
                runs.add(_partition(found, source.config), page_key(found.url), _encode(found))
                continue
            reason, detail = found.reason, found.detail
        reading.count(reason)
        rejects.add(f"{source.path.name}:{number}", reason, detail)
        if reading.num_corrupt > source.config.max_corrupt_lines:
            raise _too_corrupt(source, number, detail)


def _partition(link: Link, config: LinksConfig) -> int:
    return zlib.crc32(link.domain.encode()) % config.partitions


def _too_corrupt(source: Source, number: int, detail: str) -> WebtextError:
    limit = source.config.max_corrupt_lines
    return WebtextError(
        f"corrupt line {source.path}:{number}: {detail}",
        hint=f"{'No line' if not limit else f'At most {limit:,} lines of a file'} may be corrupt. "
        "Get the file again, or keep such lines aside and go on: "
        f"--set links.max_corrupt_lines={max(100, 10 * limit)} (per file).",
    )


def _check_holds_some(source: Source, reading: Reading) -> None:
    if reading.num_foreign < reading.num_submissions:
        return
    what = "submission" if source.role.startswith("dump") else "URL"
    raise WebtextError(
        reading.problem
        or f"{source.path} holds no {what}: {reading.num_submissions:,} lines, none of them good",
        hint=f"Is it the right file? {_EXPECTED[what]}",
    )


def _tally(source: Source, reading: Reading, num_bytes: int) -> None:
    tally = Tally(num_bytes, reading.num_submissions, reading.num_links)
    Tallies(tallies_path(source.work)).set(source.index, tally)
