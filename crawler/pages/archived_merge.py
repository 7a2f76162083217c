"""The second pass over other crawls' archives: the latest page of each address, sorted by URL."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import msgspec

from corpus.schema import LINEAGE, PAGES, REJECTS
from corpus.shards import shard_name, write_shard
from corpus.stage import reject
from crawler.links.sorted_runs import Run, merge_runs
from crawler.pages.archived_reading import FoundPage

_decode = msgspec.json.Decoder(FoundPage).decode


class PagePartition(msgspec.Struct, frozen=True):
    """One partition to merge."""

    index: int
    runs: list[Run]
    output: Path
    """The stage's folder."""
    work: Path
    """The folder for files that go with the stage's end."""

    def found(self) -> Iterator[tuple[str, FoundPage, bool]]:
        """Its pages by URL, and whether each is the one of its address that is kept."""
        pairs = merge_runs(self.work, self.runs, self.index, f".merged-{self.index:05d}")
        for key, group in groupby(pairs, key=itemgetter(0)):
            url = key.decode()
            pages = (_decode(payload) for _, payload in group)
            best = next(pages)
            for page in pages:  # an archive may hold an address a million times: one at a time
                best, other = (page, best) if page.rank > best.rank else (best, page)
                yield url, other, False
            yield url, best, True


def merge_pages(partition: PagePartition) -> None:
    """Write the partition's rejects, lineage and pages, in this order."""
    pages = partition.output / shard_name("pages", partition.index)
    if pages.is_file():
        return
    # Three readings of the runs: none of the shards is ever in memory.
    for kind, rows, schema in (
        ("rejects", _rejects(partition), REJECTS),
        ("lineage", _lineage(partition), LINEAGE),
        ("pages", _pages(partition), PAGES),
    ):
        write_shard(partition.output / shard_name(kind, partition.index), rows, schema)


def _rejects(partition: PagePartition) -> Iterator[dict[str, str]]:
    for url, page, is_kept in partition.found():
        if not is_kept:
            yield reject(url, "duplicate_url", f"{page.archive}: record {page.number}")


def _lineage(partition: PagePartition) -> Iterator[dict]:
    for url, page, is_kept in partition.found():
        if is_kept:
            yield {
                "url": url,
                "fetched_at": _when(page.fetched_s),
                "warc": page.warc,
                "offset": page.offset,
            }


def _pages(partition: PagePartition) -> Iterator[dict]:
    for url, page, is_kept in partition.found():
        if is_kept:
            yield {
                "url": url,
                "final_url": url,
                "status": page.status,
                "content_type": page.content_type,
                "digest": page.digest,
            }


def _when(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
