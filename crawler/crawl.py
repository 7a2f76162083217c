"""Stage `pages`: fetch every link, keep every answer; one Scrapy process per partition.

A partition is one links shard: all links of a registrable domain are in one, so the politeness
towards a host needs no coordination between processes.
"""

import queue
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from corpus.atomic import write_bytes
from corpus.child import run_child
from corpus.errors import UsageError, WebtextError
from corpus.manifest import Manifest
from corpus.runtime import Runtime
from corpus.settings import Section
from corpus.shards import num_rows, read_rows, shard_name
from corpus.stage import Inputs, StageWriter, data_shards
from crawler.archive import archive_path, derive_shards
from crawler.replay import serve
from crawler.warc import FETCHED


class CrawlConfig(Section):
    """The recipe's `[crawl]` section."""

    OPERATIONAL: ClassVar[frozenset[str]] = frozenset(
        {
            "contact",
            "per_host_delay_s",
            "concurrency",
            "per_host_concurrency",
            "allow_private",
            "replay",
        }
    )

    contact: str = ""
    """An e-mail address or page about this crawl, put into the User-Agent. Required for the
    real web: whoever runs a server must be able to reach whoever crawls it."""
    obey_robots: bool = True
    """Fetch and obey each host's robots.txt (RFC 9309)."""
    per_host_delay_s: float = Field(default=1.0, ge=0)
    """Seconds between two requests to a host; its Crawl-delay or Retry-After may ask for more."""
    concurrency: int = Field(default=64, ge=1)
    """Requests in flight at once in one crawling process."""
    per_host_concurrency: int = Field(default=1, ge=1)
    """Requests in flight at once to one host."""
    timeout_s: float = Field(default=20, gt=0)
    """Seconds for one request, from connecting to the last byte."""
    max_body_bytes: int = Field(default=4 << 20, ge=1)
    """Largest body, before and after decompression; a larger one is rejected as too_large."""
    max_redirects: int = Field(default=5, ge=0)
    """Redirects followed for one link."""
    retries: int = Field(default=1, ge=0)
    """Further tries after a timeout, a broken connection or a 429, 500, 502, 503, 504."""
    content_types: tuple[str, ...] = ("text/html", "application/xhtml+xml", "text/plain")
    """Media types that count as a page, lower case; the body of others is not downloaded."""
    allow_private: bool = False
    """Also connect to private and loopback addresses: for an intranet, or a test."""
    replay: Path | None = None
    """Answer from this archive instead of the network: a folder of WARC files, or of pages with
    a table `urls.ndjson` (docs/data-format.md)."""


class CrawlJob(Section):
    """What one crawling process is told: `python -m crawler.spider` reads it from a JSON file."""

    config: CrawlConfig
    links: Path
    """The links shard of this partition."""
    output: Path
    index: int
    proxy: str | None
    """Address of a replay proxy; None: the real web."""


def run(config: CrawlConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Crawl the links of `inputs["links"]`, from the web or from the folder `inputs["replay"]`.

    Raises:
        UsageError: a crawl of the real web without a contact address.
        WebtextError: a crawling process failed; what it settled is kept.
    """
    if "replay" not in inputs and not config.contact:
        raise UsageError(
            "a crawl of the real web needs a contact address for its User-Agent",
            hint="Set `contact` in the recipe's [crawl] section (or --set crawl.contact=...) to "
            "an e-mail address or a page that says who crawls and why.",
        )
    writer = StageWriter("pages", config, inputs, output)
    links = data_shards(inputs["links"], "links-")
    num_links = sum(map(num_rows, links))
    runtime.progress.start(num_links, "links")
    with serve(inputs["replay"]) if "replay" in inputs else nullcontext() as proxy:
        jobs = [
            CrawlJob(config=config, links=path, output=output, index=_index(path), proxy=proxy)
            for path in links
        ]
        _Partitions(jobs, runtime).crawl()
    archives = [archive_path(output, _index(path)) for path in links]
    figures: dict[str, int | float | str] = {
        "num_partitions": len(archives),
        "archive_bytes": sum(path.stat().st_size for path in archives),
    }
    return writer.finish(num_links, libraries=("scrapy",), figures=figures)


class _Partitions:
    """Crawls partitions side by side, a thread and a process each, and reports as one."""

    def __init__(self, jobs: list[CrawlJob], runtime: Runtime) -> None:
        self._jobs = jobs
        self._runtime = runtime
        self._stopping = threading.Event()
        # (partition, its settled links per outcome); None: a partition has ended.
        self._messages: queue.SimpleQueue[tuple[int, Counter[str]] | None] = queue.SimpleQueue()

    def crawl(self) -> None:
        """Return when every partition has its shards, raise what the first failing one raised."""
        with ThreadPoolExecutor(self._runtime.workers) as pool:
            running = [pool.submit(self._crawl_one, job) for job in self._jobs]
            try:
                self._report()
            finally:  # also on Ctrl-C: the threads stop at their next message, within a second
                self._stopping.set()
        for future in running:
            future.result()

    def _report(self) -> None:
        counts: dict[int, Counter[str]] = {}
        num_running, num_done = len(self._jobs), 0
        while num_running and not self._stopping.is_set():
            message = self._messages.get()
            if message is None:
                num_running -= 1
                continue
            counts[message[0]] = message[1]
            total = sum(counts.values(), Counter[str]())
            self._runtime.progress.advance(
                total.total() - num_done, f"{total[FETCHED]:,} pages fetched"
            )
            num_done = total.total()

    def _crawl_one(self, job: CrawlJob) -> None:
        try:
            for outcomes in () if self._stopping.is_set() else crawl_partition(job):
                if self._stopping.is_set():
                    return
                self._messages.put((job.index, Counter(outcomes)))
        except BaseException:
            self._stopping.set()
            raise
        finally:
            self._messages.put(None)


def crawl_partition(job: CrawlJob) -> Iterator[dict[str, int]]:
    """Crawl what is left of one partition; yield its settled links per outcome now and then.

    Closing the iterator stops the process; the partition goes on from there the next time.

    Raises:
        WebtextError: the process failed.
    """
    pages = job.output / shard_name("pages", job.index)
    if not pages.exists() and archive_path(job.output, job.index).exists():
        derive_shards(job.output, job.index)  # killed after the crawl, before the shards
    if pages.exists():
        yield _outcomes_of_finished(job)
        return
    job_file = job.output / f".job-{job.index:05d}.json"
    write_bytes(job_file, job.model_dump_json().encode())
    log = job.output / f"crawl-{job.index:05d}.log"
    for message in run_child(["crawler.spider", str(job_file)], log):
        yield message["outcomes"]
    job_file.unlink()
    if not pages.exists():
        raise WebtextError(
            f"the crawl of {job.links.name} ended without {pages.name}",
            hint=f"Look into {log}, and run the same command again to go on.",
        )


def _outcomes_of_finished(job: CrawlJob) -> dict[str, int]:
    rejects = job.output / shard_name("rejects", job.index)
    outcomes = Counter(row["reason"] for row in read_rows(rejects, ["reason"]))
    return {**outcomes, FETCHED: num_rows(job.output / shard_name("pages", job.index))}


def _index(links: Path) -> int:
    return int(links.stem.rpartition("-")[2])
