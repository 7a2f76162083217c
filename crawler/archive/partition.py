"""One partition of the crawl on disk: which links are settled, and the shards derived from them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from corpus.errors import WebtextError
from corpus.schema import LINEAGE, PAGES, REJECTS
from corpus.shards import shard_name, write_shard
from corpus.stage import reject
from crawler.archive.settled import merge_settled, read_settled, settled_path
from crawler.archive.warc import FETCHED, Outcome
from crawler.archive.writer import ArchiveWriter, archive_paths

MAX_FILE_BYTES = 10**9
"""Size at which an archive file is finished: ISO 28500 recommends 1 GB."""


class PartitionArchive:
    """The archive of one partition while it is crawled; the archive is the log.

    A link is settled once its outcome record is in the archive. After a crash everything behind
    the last whole outcome is cut off, and only links that are not settled are fetched again.

    Args:
        folder: The stage's folder.
        index: The partition.
        num_links: Links in the partition: rows of its links shard.
        info: Fields of the record that each archive file begins with, such as `robots`.
        max_file_bytes: Size at which an archive file is finished.

    Raises:
        WebtextError: an archive file is damaged, or belongs to other links.
    """

    def __init__(
        self,
        folder: Path,
        index: int,
        num_links: int,
        info: Mapping[str, str] | None = None,
        max_file_bytes: int = MAX_FILE_BYTES,
    ) -> None:
        self.folder = folder
        self.index = index
        self.outcomes: Counter[str] = Counter()
        """Settled links per outcome, those of earlier runs included."""
        self.settled = np.zeros(num_links, dtype=bool)  # (num_links,)
        """Whether the link in each row of the links shard has its outcome."""
        self.writer = ArchiveWriter(folder, index, info or {}, max_file_bytes)
        for path in archive_paths(folder, index):
            self._mark(read_settled(path, ["outcome", "row"]))
        self._mark(self.writer.settled.table())

    @property
    def num_bytes(self) -> int:
        """Bytes archived so far, in all files."""
        return self.writer.num_bytes

    def settle(self, row: int, outcome: Outcome) -> bool:
        """Record a link's outcome; False, and nothing done, if it already has one."""
        if self.settled[row]:
            return False
        self.writer.write_outcome(row, outcome)
        self.settled[row] = True
        self.outcomes[outcome.outcome] += 1
        return True

    def finish(self) -> None:
        """Finish the last archive file, and derive the partition's shards."""
        self.writer.close()
        derive_shards(self.folder, self.index)

    def _mark(self, table: pa.Table) -> None:
        """Take over outcomes of an earlier process."""
        rows = table["row"].to_numpy()
        if len(rows) and (rows.max() >= len(self.settled) or self.settled[rows].any()):
            raise WebtextError(
                f"the archive of partition {self.index} in {self.folder} belongs to other links",
                hint="Remove this folder and run the command again.",
            )
        self.settled[rows] = True
        for each in table["outcome"].value_counts().to_pylist():
            self.outcomes[each["values"]] += each["counts"]


def derive_shards(folder: Path, index: int) -> None:
    """Write the rejects, lineage and pages shards of a crawled partition from its archive.

    The pages come last. The rows are sorted by URL: the order in which pages arrived leaves no
    trace.
    """
    archives = archive_paths(folder, index)
    for path in archives:
        read_settled(path, ["row"])  # makes them where they are missing
    rejects, lineage, pages = _rejects(archives), _lineage(archives), _pages(archives)
    write_shard(folder / shard_name("rejects", index), rejects, REJECTS)
    write_shard(folder / shard_name("lineage", index), lineage, LINEAGE)
    write_shard(folder / shard_name("pages", index), pages, PAGES)
    for path in archives:
        settled_path(path).unlink()


def _rejects(archives: list[Path]) -> Iterator[dict]:
    for each in merge_settled(archives, ["url", "outcome", "detail"]):
        if each["outcome"] != FETCHED:
            yield reject(each["url"], each["outcome"], each["detail"])


def _lineage(archives: list[Path]) -> Iterator[dict]:
    for each in merge_settled(archives, ["outcome", "url", "fetched_at", "warc", "offset"]):
        if each.pop("outcome") == FETCHED:
            each["fetched_at"] = datetime.fromtimestamp(each["fetched_at"], UTC)
            yield each


def _pages(archives: list[Path]) -> Iterator[dict]:
    for each in merge_settled(archives, ["outcome", *PAGES.names]):
        if each.pop("outcome") == FETCHED:
            yield each
