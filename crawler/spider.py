"""The Scrapy process that crawls one partition: `python -m crawler.spider JOB.json`.

It can be killed at any moment, SIGTERM included, which it does not catch: what is settled is in
the archive, and the next process goes on from there.
"""

import asyncio
import hashlib
import logging
import sys
import time
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path

from scrapy import Request, Spider, signals
from scrapy.crawler import AsyncCrawlerProcess, Crawler
from scrapy.http import Response
from scrapy.utils.httpobj import urlparse_cached
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from corpus.child import emit, exit_with_parent
from corpus.shards import read_rows
from crawler import outcomes
from crawler.archive import PartitionArchive
from crawler.crawl import CrawlJob
from crawler.warc import Outcome

AGENT = "webtext"
"""The name that a robots.txt may address."""

# Links handed to Scrapy and not yet settled. Its queue is scanned once per request, and each
# entry costs about 2 KB; too few, and the politeness of a few hosts idles all the others.
_WINDOW = 2048

_REPORT_INTERVAL_S = 0.5


class LinkSpider(Spider):
    """Fetches each link of a partition once and records its one outcome."""

    name = AGENT

    def __init__(self, job: CrawlJob, archive: PartitionArchive) -> None:
        super().__init__()
        self.job = job
        self.archive = archive
        self.is_complete = False
        self._window = asyncio.Semaphore(_WINDOW)

    @classmethod
    def from_crawler(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, crawler: Crawler, job: CrawlJob, archive: PartitionArchive
    ) -> "LinkSpider":
        """How Scrapy makes one."""
        spider = cls(job, archive)
        spider._set_crawler(crawler)
        crawler.signals.connect(spider.report_progress, signals.spider_opened)
        crawler.signals.connect(spider.close_books, signals.spider_closed)
        return spider

    async def start(self) -> AsyncIterator[Request]:
        """Yield a request per link that is not settled, no more than a window of them at once."""
        for row in read_rows(self.job.links, ["url"]):
            if not self.archive.is_settled(row["url"]):
                await self._window.acquire()
                request = self._request(row["url"])
                if request:
                    yield request

    def parse(self, response: Response) -> None:
        """Settle a link that was answered."""
        outcome, detail = outcomes.of_response(response, self.job.config.content_types)
        self._settle(
            Outcome(
                url=response.meta["link"],
                outcome=outcome,
                detail=detail,
                status=response.status,
                final_url=response.url,
                content_type=(response.headers.get("Content-Type") or b"").decode("latin-1"),
                digest=hashlib.sha256(response.body).hexdigest(),
                fetched_at=int(time.time()),
                offset=response.meta["archive_offset"],
            )
        )

    def fail(self, failure: Failure) -> None:
        """Settle a link whose request failed."""
        request: Request = failure.request  # pyright: ignore - set by Scrapy
        host = urlparse_cached(request).hostname or ""
        outcome, detail = outcomes.of_error(failure.value or RuntimeError("no error"), host)
        self._settle(Outcome(url=request.meta["link"], outcome=outcome, detail=detail))

    def report_progress(self) -> None:
        """Tell the parent every half second, news or not: that is also when it may stop us."""
        LoopingCall(self._emit).start(_REPORT_INTERVAL_S)

    def close_books(self, reason: str) -> None:
        """Settle what Scrapy lost on its way, and note that the partition is complete."""
        if reason != "finished":
            return
        for row in read_rows(self.job.links, ["url"]):
            if not self.archive.is_settled(row["url"]):
                self._settle(Outcome(url=row["url"], outcome="crawl_error", detail="no answer"))
        self.is_complete = True
        self._emit()

    def _request(self, url: str) -> Request | None:
        try:
            # Links are unique, and a redirect to a page that another link names is no duplicate.
            return Request(url, self.parse, errback=self.fail, dont_filter=True, meta={"link": url})
        except ValueError as exc:
            self._settle(Outcome(url=url, outcome="bad_url", detail=type(exc).__name__))
            return None

    def _settle(self, outcome: Outcome) -> None:
        if self.archive.settle(outcome):
            self._window.release()

    def _emit(self) -> None:
        counts = self.archive.outcomes
        emit({"done": counts.total(), "outcomes": dict(counts)})


def scrapy_settings(job: CrawlJob) -> dict[str, object]:
    """Scrapy's settings for a job: polite, small, and with everything off that it need not do."""
    config = job.config
    middlewares = dict(_MIDDLEWARES)
    if not config.allow_private:
        middlewares["crawler.safety.RefusePrivateHosts"] = 10
    if job.proxy is None:
        middlewares["crawler.middlewares.ObeyDelays"] = 860
    settings: dict[str, object] = {
        "USER_AGENT": f"{AGENT}/{version('webtext')} (+{config.contact or 'replay'})",
        "ROBOTSTXT_USER_AGENT": AGENT,
        "ROBOTSTXT_OBEY": config.obey_robots,
        "CONCURRENT_REQUESTS": config.concurrency,
        "CONCURRENT_REQUESTS_PER_DOMAIN": config.per_host_concurrency,
        "DOWNLOAD_DELAY": config.per_host_delay_s,
        "DOWNLOAD_DELAY_JITTER": 0,
        "DOWNLOAD_TIMEOUT": config.timeout_s,
        "DNS_TIMEOUT": min(config.timeout_s, 10),
        "DOWNLOAD_MAXSIZE": config.max_body_bytes,
        "DOWNLOAD_WARNSIZE": 0,
        "REDIRECT_MAX_TIMES": config.max_redirects,
        "RETRY_TIMES": config.retries,
        **_FIXED_SETTINGS,
        "DOWNLOADER_MIDDLEWARES": middlewares,
    }
    # Behind a replay proxy the proxy, on the loopback, is the only address that is looked up.
    if job.proxy is None and not config.allow_private:
        settings["TWISTED_DNS_RESOLVER"] = "crawler.safety.SafeResolver"
    return settings


_SCRAPY = "scrapy.downloadermiddlewares"
_MIDDLEWARES: dict[str, int | None] = {
    f"{_SCRAPY}.offsite.OffsiteMiddleware": None,
    f"{_SCRAPY}.httpauth.HttpAuthMiddleware": None,
    f"{_SCRAPY}.robotstxt.RobotsTxtMiddleware": None,
    "crawler.middlewares.ObeyRobots": 100,  # the place of the one above
    f"{_SCRAPY}.httpcompression.HttpCompressionMiddleware": None,
    "crawler.middlewares.DecodeBodies": 590,  # the place of the one above
    "crawler.middlewares.ArchiveExchanges": 950,  # closest to the network
}

_FIXED_SETTINGS: dict[str, object] = {
    # An HTTP server that runs the Python posted to it, and a telnet console: both on by default.
    "REMOTE_CONTROL_ENABLED": False,
    "TELNETCONSOLE_ENABLED": False,
    # On asyncio Scrapy makes this many tasks per response; nothing here awaits.
    "CONCURRENT_ITEMS": 1,
    # A link to file:///etc/passwd is fetched otherwise.
    "DOWNLOAD_HANDLERS": {"file": None, "ftp": None, "s3": None, "data": None},
    # A proxy from the environment would bypass the check of the address.
    "HTTPPROXY_ENABLED": False,
    "COOKIES_ENABLED": False,
    "METAREFRESH_ENABLED": False,
    "MEMUSAGE_ENABLED": False,
    "REACTOR_THREADPOOL_MAXSIZE": 32,
    "REFERRER_POLICY": "no-referrer",
    # The spider settles every status itself, and a link too long for Scrapy too.
    "HTTPERROR_ALLOW_ALL": True,
    "URLLENGTH_LIMIT": 0,
    "DUPEFILTER_CLASS": "scrapy.dupefilters.BaseDupeFilter",
    "LOG_LEVEL": "INFO",
    "LOG_VERSIONS": [],
    "RETRY_GIVE_UP_LOG_LEVEL": "DEBUG",
}

# Loggers that write a line, or a traceback, per dead host: that is what outcomes are for.
_CHATTY = {
    f"{_SCRAPY}.robotstxt": logging.CRITICAL,
    "scrapy.core.downloader.tls": logging.ERROR,
    "scrapy.core.downloader.handlers.http11": logging.ERROR,
}


def crawl_partition(job: CrawlJob) -> None:
    """Crawl what is left of a partition and, when it is complete, write its shards."""
    archive = PartitionArchive(job.output, job.index)
    process = AsyncCrawlerProcess(scrapy_settings(job))
    for name, level in _CHATTY.items():
        logging.getLogger(name).setLevel(level)
    crawler = process.create_crawler(LinkSpider)
    process.crawl(crawler, job=job, archive=archive)
    process.start(install_signal_handlers=False)
    if not isinstance(crawler.spider, LinkSpider) or not crawler.spider.is_complete:
        raise SystemExit("the crawl of this partition stopped before its end")
    archive.finish()


def main() -> None:
    """Run the job whose file is named on the command line."""
    exit_with_parent()
    crawl_partition(CrawlJob.model_validate_json(Path(sys.argv[1]).read_bytes()))


if __name__ == "__main__":
    main()
