"""One partition of the crawl on disk: the growing archive, and the shards derived from it."""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from corpus.atomic import fsync_path
from corpus.schema import LINEAGE, PAGES, REJECTS
from corpus.shards import shard_name, write_shard
from corpus.stage import reject
from crawler.warc import FETCHED, ArchiveWriter, Outcome, iterate_outcomes, salvage

logger = logging.getLogger(__name__)


class PartitionArchive:
    """The archive of one partition while it is crawled; the archive is the log.

    A link is settled once its outcome record is in the archive. After a crash everything behind
    the last whole outcome is cut off, and only links that are not settled are fetched again.
    """

    def __init__(self, folder: Path, index: int) -> None:
        self.folder = folder
        self.index = index
        self.outcomes: Counter[str] = Counter()
        """Settled links per outcome, those of earlier runs included."""
        self._settled: set[str] = set()
        self._path = archive_path(folder, index)
        self._part = folder / f".{self._path.name}.part"
        if self._part.exists():
            for outcome in salvage(self._part):
                self._count(outcome)
        self.writer = ArchiveWriter(self._part)

    def is_settled(self, url: str) -> bool:
        """Whether the link has its outcome."""
        return url in self._settled

    def settle(self, outcome: Outcome) -> bool:
        """Record a link's outcome; False, and nothing done, if it already has one."""
        if self.is_settled(outcome.url):
            return False
        try:
            self.writer.write_outcome(outcome)
        except OSError as exc:
            end_process(exc)
        self._count(outcome)
        return True

    def finish(self) -> None:
        """Give the archive its final name, and derive the partition's shards."""
        self.writer.close()
        fsync_path(self._part)
        self._part.replace(self._path)
        fsync_path(self.folder)
        derive_shards(self.folder, self.index)

    def _count(self, outcome: Outcome) -> None:
        self._settled.add(outcome.url)
        self.outcomes[outcome.outcome] += 1


def archive_path(folder: Path, index: int) -> Path:
    """Where a finished partition's archive lies."""
    return folder / shard_name("pages", index, "warc.gz")


def derive_shards(folder: Path, index: int) -> None:
    """Write a partition's rejects, lineage and pages shards from its archive, pages last.

    The rows are sorted by URL: the order in which pages arrived leaves no trace.
    """
    outcomes = list(iterate_outcomes(archive_path(folder, index)))
    outcomes.sort(key=lambda outcome: outcome.url)
    write_shard(folder / shard_name("rejects", index), _rejects(outcomes), REJECTS)
    write_shard(folder / shard_name("lineage", index), _lineage(outcomes, index), LINEAGE)
    write_shard(folder / shard_name("pages", index), _pages(outcomes), PAGES)


def end_process(error: OSError) -> NoReturn:
    """End the crawling process at once because its archive cannot be written.

    Raised as an exception, a full disk would be caught by Scrapy and held against the link.
    Nothing is lost: what is settled is in the archive, the rest is fetched by the next process.
    """
    logger.critical("cannot write the archive: %s", error)
    os._exit(1)


def _rejects(outcomes: list[Outcome]) -> Iterator[dict]:
    for each in outcomes:
        if each.outcome != FETCHED:
            yield reject(each.url, each.outcome, each.detail)


def _lineage(outcomes: list[Outcome], index: int) -> Iterator[dict]:
    warc = shard_name("pages", index, "warc.gz")
    for each in outcomes:
        if each.outcome == FETCHED:
            fetched_at = datetime.fromtimestamp(each.fetched_at, UTC)
            yield {"url": each.url, "fetched_at": fetched_at, "warc": warc, "offset": each.offset}


def _pages(outcomes: list[Outcome]) -> Iterator[dict]:
    for each in outcomes:
        if each.outcome == FETCHED:
            yield {name: getattr(each, name) for name in PAGES.names}
