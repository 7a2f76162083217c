"""The Scrapy process that crawls one partition: `python -m crawler.pages.process JOB.json`.

It can be killed at any moment, SIGTERM included, which it does not catch: what is settled is in
the archive, and the next process goes on from there.
"""

import logging
import os
import sys
from contextlib import nullcontext
from pathlib import Path

from scrapy.crawler import AsyncCrawlerProcess

from corpus.child import exit_with_parent
from corpus.json_log import JsonFormatter, wants_json
from corpus.shards import num_rows
from crawler.archive.partition import PartitionArchive
from crawler.archive.replay import serve
from crawler.pages.download import raise_open_files_limit
from crawler.pages.frontier import Frontier
from crawler.pages.scrapy_settings import scrapy_settings, user_agent
from crawler.pages.settings import CrawlJob
from crawler.pages.spider import LinkSpider

# Loggers that write a line, or a traceback, per dead host: that is what outcomes are for.
_CHATTY = {
    "scrapy.core.downloader.tls": logging.ERROR,
    "scrapy.core.downloader.handlers.http11": logging.ERROR,
}


def crawl_partition(job: CrawlJob) -> None:
    """Crawl what is left of a partition and, when it is complete, write its shards."""
    info = {
        "http-header-user-agent": user_agent(job.config.contact),
        "operator": job.config.contact,
        "robots": "obey" if job.config.obey_robots else "ignore",
    }
    archive = PartitionArchive(
        job.output, job.index, num_rows(job.links), info, job.config.archive_file_bytes
    )
    frontier_file = job.output / f".frontier-{job.index:05d}.sqlite"
    if not archive.settled.all():
        # Sorting millions of links takes scratch on disk: not in a /tmp that may be memory.
        os.environ.setdefault("SQLITE_TMPDIR", str(job.output))
        frontier = Frontier(
            frontier_file,
            job.links,
            archive.settled,
            delay_s=job.config.per_host_delay_s,
            per_host=job.config.per_host_concurrency,
        )
        with nullcontext(job.proxy) if job.replay is None else serve(job.replay) as proxy:
            _fetch(job.model_copy(update={"proxy": proxy}), archive, frontier)
        frontier.close()
    archive.finish()
    frontier_file.unlink(missing_ok=True)


def _fetch(job: CrawlJob, archive: PartitionArchive, frontier: Frontier) -> None:
    raise_open_files_limit()
    settings = scrapy_settings(job)
    if wants_json():
        settings["LOG_INSTALL_ROOT_HANDLER"] = False
        _log_as_json()
    process = AsyncCrawlerProcess(settings)
    for name, level in _CHATTY.items():
        logging.getLogger(name).setLevel(level)
    crawler = process.create_crawler(LinkSpider)
    process.crawl(crawler, job=job, archive=archive, frontier=frontier)
    process.start(install_signal_handlers=False)
    if not isinstance(crawler.spider, LinkSpider) or not crawler.spider.is_complete:
        raise SystemExit("the crawl of this partition stopped before its end")


def _log_as_json() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.INFO)


def main() -> None:
    """Run the job whose file is named on the command line."""
    exit_with_parent()
    crawl_partition(CrawlJob.model_validate_json(Path(sys.argv[1]).read_bytes()))


if __name__ == "__main__":
    main()
