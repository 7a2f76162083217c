"""The second pass of the stage "links": the submissions of a page become one row, sorted by URL."""

from collections import Counter
from collections.abc import Container
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import msgspec

from corpus.schema import LINKS
from corpus.shards import shard_name, write_shard
from crawler.links.crawled import load_crawled
from crawler.links.rejects import RejectColumns, open_rejects
from crawler.links.sorted_runs import Run, RunWriter, merge_runs
from crawler.links.submissions import INT32_MAX, Link, LinksConfig


class Partition(msgspec.Struct, frozen=True):
    """One partition to merge."""

    index: int
    runs: list[Run]
    config: LinksConfig
    crawled: Path | None
    """What earlier builds crawled, if that is to be left out."""
    output: Path
    """The stage's folder."""
    work: Path
    """The folder for files that go with the stage's end."""


class _Page(msgspec.Struct, array_like=True, gc=False):
    """A row of LINKS on its way through the sort by URL."""

    url: str
    domain: str
    score: int | None
    first_seen_s: int | None
    subreddits: list[str]
    submission_ids: list[str]

    def row(self) -> dict:
        first_s = self.first_seen_s
        return {
            "url": self.url,
            "domain": self.domain,
            "score": self.score,
            "first_seen": None if first_s is None else datetime.fromtimestamp(first_s, UTC),
            "subreddits": self.subreddits,
            "submission_ids": self.submission_ids,
        }


_decode_link = msgspec.json.Decoder(Link).decode
_decode_page = msgspec.json.Decoder(_Page).decode
_encode = msgspec.json.Encoder().encode


def merge_partition(partition: Partition) -> None:
    """Write the partition's links, one row per page, sorted; the rest is kept as rejects."""
    name = shard_name("links", partition.index)
    if (partition.output / name).is_file():
        return
    stem = f".pages-{partition.index:05d}"
    # Grouped they come in the order of what the variants of an address have in common, which is
    # not quite that of the addresses: so they are sorted once more.
    pages = RunWriter(partition.work, stem)
    with open_rejects(partition.output / shard_name("rejects", partition.index)) as rejects:
        crawled = load_crawled(partition.crawled) if partition.crawled else ()
        merger = _Merger(partition.config, crawled, rejects)
        found = merge_runs(partition.work, partition.runs, partition.index, f"{stem}-in")
        for _, group in groupby(found, key=itemgetter(0)):
            if page := merger.merge([_decode_link(payload) for _, payload in group]):
                pages.add(0, page.url, _encode(page))
        runs = pages.finish()
    sorted_pages = merge_runs(partition.work, runs, 0, f"{stem}-out")
    rows = (_decode_page(payload).row() for _, payload in sorted_pages)
    write_shard(partition.output / name, rows, LINKS)
    for written in runs:
        (partition.work / written.name).unlink()


class _Merger:
    def __init__(
        self, config: LinksConfig, crawled: Container[str], rejects: RejectColumns
    ) -> None:
        self._sums = config.karma == "url"
        self._min_score = config.min_score
        self._crawled = crawled
        self._rejects = rejects

    def merge(self, links: list[Link]) -> _Page | None:
        """The page of all its submissions, which come sorted; None: it is left out."""
        links = self._once_each(links)
        url = _most_named(links)
        scores = [link.score for link in links if link.score is not None]
        score = self._karma(scores)
        # A list without scores names what is worth a visit by itself.
        if score is not None and score < self._min_score and len(scores) == len(links):
            return self._drop(links, "low_score")
        if url in self._crawled:
            return self._drop(links, "already_crawled")
        kept = next(link for link in links if link.url == url)
        self._drop([link for link in links if link is not kept], "same_url")
        dates = [link.created_s for link in links if link.created_s is not None]
        return _Page(
            url=url,
            domain=kept.domain,
            score=score,
            first_seen_s=min(dates, default=None),
            subreddits=sorted({link.subreddit for link in links} - {""}),
            submission_ids=sorted({link.submission_id for link in links} - {""}),
        )

    def _karma(self, scores: list[int]) -> int | None:
        if not scores:
            return None
        score = sum(scores) if self._sums else max(scores)
        return max(-INT32_MAX, min(score, INT32_MAX))

    def _once_each(self, links: list[Link]) -> list[Link]:
        """Each submission once, as it was when its score was highest: files may overlap."""
        if len(links) == 1:
            return links
        best: dict[str, Link] = {}
        unnamed: list[Link] = []
        for link in links:
            if not link.submission_id:
                unnamed.append(link)
                continue
            other = best.setdefault(link.submission_id, link)
            if other is not link:
                best[link.submission_id] = max(other, link, key=_rank)
                self._drop([min(other, link, key=_rank)], "same_submission")
        return [*best.values(), *unnamed]

    def _drop(self, links: list[Link], reason: str) -> None:
        for link in links:
            self._rejects.add(link.url, reason, link.submission_id)


def _rank(link: Link) -> tuple[int, bytes]:
    score = -INT32_MAX - 1 if link.score is None else link.score
    return score, _encode(link)


def _most_named(links: list[Link]) -> str:
    """The address that most submissions name; then https; then the first in the alphabet."""
    if len(links) == 1:
        return links[0].url
    named = Counter(link.url for link in links)
    return min(named, key=lambda url: (-named[url], not url.startswith("https:"), url))
