"""The crawl against a bare Scrapy spider: python -m benchmarks.crawl [--quick].

Pages per CPU-second of the crawler's process, start-up included, over the same local web:

- `scrapy`: ours (WARC archive, robots.txt, redirect rules, opt-outs, walls, every check) against
  Scrapy as it comes, which fetches the same pages and keeps nothing. Gzipped pages of 10 KB.
- `scrapy_plain` (not with --quick): the same with pages that are not compressed, which the archive
  has to do.
- `scrapy_tuned` (not with --quick): as `scrapy`, and the peer has CONCURRENT_ITEMS = 1, the one
  setting that makes it faster.
- `partitions_2`: two partitions at once, a process each, against one.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.side_by_side import (
    Run,
    alternate,
    median_rate,
    median_ratio,
    parse_arguments,
    print_result,
)
from corpus.schema import LINKS
from corpus.shards import num_rows, write_shard
from crawler.links.rules import RulesConfig
from crawler.pages.settings import CrawlConfig, CrawlJob

_NUM_HOSTS = 64
_CONCURRENCY = 64
_PER_HOST = 8


def main() -> None:
    """Serve a web, let all contenders crawl it in turn, print."""
    is_quick = parse_arguments(__doc__).quick
    num_pages, rounds = (2_500, 1) if is_quick else (4_000, 5)
    with _local_web() as port, tempfile.TemporaryDirectory() as folder:
        gzipped = _Web(port, "gzip", num_pages, Path(folder))
        one = alternate({"ours": gzipped.ours, "scrapy": gzipped.bare}, rounds)
        two = alternate({"one": _share(gzipped.ours), "two": _share(gzipped.ours_twice)}, rounds)
        ratios = {
            "scrapy": median_ratio(one, "ours", "scrapy"),
            "partitions_2": median_ratio(two, "two", "one"),
        }
        if not is_quick:
            plain = _Web(port, "plain", num_pages, Path(folder))
            more = alternate({"ours": plain.ours, "scrapy": plain.bare}, rounds)
            ratios["scrapy_plain"] = median_ratio(more, "ours", "scrapy")
            more = alternate({"ours": gzipped.ours, "tuned": gzipped.bare_tuned}, rounds)
            ratios["scrapy_tuned"] = median_ratio(more, "ours", "tuned")
    print_result(
        "crawl",
        ratios,
        {
            "pages_per_cpu_s": median_rate(one, "ours"),
            "scrapy_pages_per_cpu_s": median_rate(one, "scrapy"),
            "two_partitions_pages_per_cpu_s": median_rate(two, "two"),
            "pages_per_contender": num_pages,
            "rounds": rounds,
        },
    )


class _Web:
    """One kind of pages, and what crawls them."""

    def __init__(self, port: int, kind: str, num_pages: int, folder: Path) -> None:
        self._urls = [
            f"http://127.0.0.{1 + number % _NUM_HOSTS}:{port}/{kind}/{number}"
            for number in range(num_pages)
        ]
        self._folder = folder / kind
        self._folder.mkdir()
        (self._folder / "urls").write_text("\n".join(self._urls))
        rows = [{"url": url, "domain": url[7:20], "score": 3} for url in sorted(self._urls)]
        write_shard(self._folder / "links-00000.arrow", rows, LINKS)

    def bare(self) -> Run:
        """Scrapy as it comes."""
        return self._bare()

    def bare_tuned(self) -> Run:
        """Scrapy with one task per response instead of a hundred."""
        return self._bare("1")

    def _bare(self, *options: str) -> Run:
        command = ["benchmarks.bare_spider", str(self._folder / "urls")]
        cpu_s, (output,) = _run_all([[*command, str(_CONCURRENCY), str(_PER_HOST), *options]])
        return Run(len(self._urls), cpu_s, result=int(output))

    def ours(self) -> Run:
        """One partition."""
        return self._crawl(1)

    def ours_twice(self) -> Run:
        """Two partitions of as many pages each, at once."""
        return self._crawl(2)

    def _crawl(self, num_partitions: int) -> Run:
        pages = self._folder / "pages"
        shutil.rmtree(pages, ignore_errors=True)
        pages.mkdir()
        jobs = [self._job(pages, index) for index in range(num_partitions)]
        cpu_s, _ = _run_all([["crawler.pages.process", str(job)] for job in jobs])
        num_fetched = sum(num_rows(path) for path in pages.glob("pages-*.arrow"))
        return Run(num_partitions * len(self._urls), cpu_s, result=num_fetched)

    def _job(self, pages: Path, index: int) -> Path:
        config = CrawlConfig(
            contact="benchmark@example.org",
            per_host_delay_s=0,
            per_host_concurrency=_PER_HOST,
            concurrency=_CONCURRENCY,
            allow_private=True,
        )
        job = CrawlJob(
            config=config,
            links=self._folder / "links-00000.arrow",
            output=pages,
            index=index,
            proxy=None,
            rules=RulesConfig(),
        )
        path = self._folder / f"job-{index}.json"
        path.write_text(job.model_dump_json())
        return path


def _share(run: Callable[[], Run]) -> Callable[[], Run]:
    """The result as a share of the pages, so that one and two partitions can be compared."""

    def shared() -> Run:
        done = run()
        assert isinstance(done.result, int)
        return Run(done.amount, done.seconds, result=done.result / done.amount)

    return shared


def _run_all(commands: list[list[str]]) -> tuple[float, list[str]]:
    """Run Python modules at once; their CPU seconds together, and what each printed."""
    before = _children_cpu_s()
    running = [
        subprocess.Popen(
            [sys.executable, "-m", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for command in commands
    ]
    outputs = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise SystemExit(f"one of {commands} failed")
    return _children_cpu_s() - before, outputs


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@contextmanager
def _local_web() -> Iterator[int]:
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.local_web"], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        yield int(server.stdout.readline())
    finally:
        server.kill()
        server.communicate()


if __name__ == "__main__":
    main()
