"""The spider: fetches each link of a partition, tries again where that may help, settles it."""

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator

from scrapy import Request, Spider, signals
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.utils.httpobj import urlparse_cached
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from corpus.child import emit
from crawler.archive.partition import PartitionArchive
from crawler.archive.warc import Outcome
from crawler.archive.writer import end_process
from crawler.links.rules import Rules
from crawler.links.urls import NotAPageError, canonical_url
from crawler.pages import outcomes
from crawler.pages.frontier import Frontier, Link
from crawler.pages.manners import PASSING, FailingHosts, parse_retry_after, pause, slow_down
from crawler.pages.robots import RobotsUnavailableError
from crawler.pages.scrapy_settings import AGENT
from crawler.pages.settings import CrawlJob

logger = logging.getLogger(__name__)

_REPORT_INTERVAL_S = 0.5


class LinkSpider(Spider):
    """Fetches each link of a partition once and records its one outcome."""

    name = AGENT

    def __init__(self, job: CrawlJob, archive: PartitionArchive, frontier: Frontier) -> None:
        super().__init__()
        self.job = job
        self.archive = archive
        self.frontier = frontier
        self.rules = Rules(job.rules, job.takedown) if job.rules else None
        self.is_complete = False
        self._in_flight: dict[int, Link] = {}
        self._failing = FailingHosts(job.config.pause_s, job.config.max_host_failures)
        self._changed = asyncio.Event()
        self._num_idle_reports = 0

    @classmethod
    def from_crawler(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, crawler: Crawler, job: CrawlJob, archive: PartitionArchive, frontier: Frontier
    ) -> "LinkSpider":
        """How Scrapy makes one."""
        spider = cls(job, archive, frontier)
        spider._set_crawler(crawler)
        crawler.signals.connect(spider.report_progress, signals.spider_opened)
        crawler.signals.connect(spider.close_books, signals.spider_closed)
        return spider

    async def start(self) -> AsyncIterator[Request]:
        """Yield a request per link whose host may be asked, as long as there are links."""
        while True:
            now = time.monotonic()
            is_full = self.frontier.num_in_flight >= self.job.config.concurrency
            link = None if is_full else self.frontier.next(now)
            if link is not None:
                self._in_flight[link.row] = link
                request = self._request(link)
                if request:
                    yield request
                continue
            ready_at = None if is_full else self.frontier.next_ready_at()
            if ready_at is None and not self.frontier.num_in_flight:
                return
            await self._wait(None if ready_at is None else ready_at - now)

    def parse(self, response: Response) -> None:
        """Settle a link that was answered, or try it again later."""
        link: Link = response.meta["link"]
        outcome, detail = self._judge(response, link)
        answered = Outcome(
            url=link.url,
            outcome=outcome,
            detail=detail,
            status=response.status,
            final_url=link.url if response.url == link.url else _final_url(response.url),
            content_type=(response.headers.get("Content-Type") or b"").decode("latin-1"),
            digest=hashlib.sha256(response.body).hexdigest(),
            fetched_at=int(time.time()),
        )
        if outcome in PASSING:
            host = urlparse_cached(response).hostname or ""
            self._try_again(link, answered, host, response.headers.get("Retry-After"))
        else:
            self._failing.answered(urlparse_cached(response).hostname or "")
            self._settle(link, answered)

    def fail(self, failure: Failure) -> None:
        """Settle a link whose request failed, or try it again later."""
        request: Request = failure.request  # pyright: ignore - set by Scrapy
        link: Link = request.meta["link"]
        host = urlparse_cached(request).hostname or ""
        error = failure.value or RuntimeError("no error")
        outcome, detail = outcomes.of_error(error, host)
        failed = Outcome(url=link.url, outcome=outcome, detail=detail)
        if outcome in PASSING or isinstance(error, RobotsUnavailableError):
            self._try_again(link, failed, host, getattr(error, "retry_after", None))
        else:
            self._settle(link, failed)

    def _judge(self, response: Response, link: Link) -> tuple[str, str]:
        config = self.job.config
        try:
            return outcomes.of_response(
                response, config.content_types, link.url, obey_opt_outs=config.obey_opt_outs
            )
        except Exception as exc:
            logger.exception("cannot judge the answer to %s", link.url)
            return outcomes.of_error(exc, "")

    def slow_down(self, host: str, delay_s: float) -> None:
        """Leave at least so many seconds between two requests to a host."""
        if self.job.proxy is None:
            assert self.crawler.engine is not None
            self.frontier.slow_down(host, slow_down(self.crawler.engine.downloader, host, delay_s))

    def report_progress(self) -> None:
        """Tell the parent every half second, news or not: that is also when it may stop us."""
        LoopingCall(self._report).start(_REPORT_INTERVAL_S)

    def close_books(self, reason: str) -> None:
        """Note whether the partition is complete."""
        self.is_complete = reason == "finished" and bool(self.archive.settled.all())
        self._report()

    def _request(self, link: Link) -> Request | None:
        if (reason := self._failing.given_up(link.host)) is not None:
            self._settle(link, _without_answer(link, "host_unavailable", reason))
            return None
        try:
            return Request(link.url, self.parse, errback=self.fail, meta={"link": link})
        except ValueError as exc:
            self._settle(link, _without_answer(link, "bad_url", type(exc).__name__))
            return None

    def _try_again(
        self, link: Link, outcome: Outcome, host: str, retry_after: bytes | None
    ) -> None:
        """Put a link back whose host is busy or broken, and leave the host alone for a while.

        Args:
            link: The link.
            outcome: Its outcome, if this was its last try.
            host: The host that failed: after a redirect it is not the link's own.
            retry_after: What the host says of it.
        """
        if self.job.proxy is not None:  # an archive does not change its mind
            self._settle(link, outcome)
            return
        wait_s = parse_retry_after(retry_after, time.time())
        self._leave_alone(host, self._failing.failed(host, outcome.outcome, wait_s))
        if link.tries < self.job.config.retries:
            self._in_flight.pop(link.row)
            self.frontier.put_back(link)
            self._changed.set()
        else:
            self._settle(link, outcome)

    def _leave_alone(self, host: str, pause_s: float) -> None:
        assert self.crawler.engine is not None
        if self._failing.given_up(host) is not None:
            self.frontier.drain(host)
        else:
            pause(self.crawler.engine.downloader, host, pause_s)
            self.frontier.pause(host, time.monotonic() + pause_s)

    def _settle(self, link: Link, outcome: Outcome) -> None:
        if link.row not in self._in_flight:
            return
        try:
            self.archive.settle(link.row, outcome)
        except Exception as exc:
            # Scrapy would log it and forget the link; the next process fetches it again.
            end_process(exc)
        del self._in_flight[link.row]
        self.frontier.done(link)
        self._changed.set()

    async def _wait(self, seconds: float | None) -> None:
        """Wait until a link was settled, or so many seconds."""
        self._changed.clear()
        timer = None
        if seconds is not None:
            timer = asyncio.get_running_loop().call_later(max(seconds, 0), self._changed.set)
        await self._changed.wait()
        if timer is not None:
            timer.cancel()

    def _report(self) -> None:
        self._settle_lost()
        counts = self.archive.outcomes
        emit(
            {
                "outcomes": dict(counts),
                "archive_bytes": self.archive.num_bytes,
                "active_hosts": self.frontier.num_hosts,
                "in_flight": self.frontier.num_in_flight,
            }
        )

    def _settle_lost(self) -> None:
        """Settle links whose requests Scrapy lost: it is at rest, and they are still in flight."""
        engine = self.crawler.engine
        is_idle = (
            engine is not None
            and not engine.downloader.active
            and engine.scheduler is not None
            and not engine.scheduler.has_pending_requests()
        )
        self._num_idle_reports = self._num_idle_reports + 1 if is_idle and self._in_flight else 0
        if self._num_idle_reports > 4:  # two seconds: nothing that is on its way takes that long
            for link in list(self._in_flight.values()):
                self._settle(link, _without_answer(link, "crawl_error", "no answer"))


def _without_answer(link: Link, outcome: str, detail: str) -> Outcome:
    return Outcome(url=link.url, outcome=outcome, detail=detail)


def _final_url(url: str) -> str:
    try:
        return canonical_url(url)
    except NotAPageError:
        return url
