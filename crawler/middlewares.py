"""Scrapy downloader middlewares of the crawl: archive, decoding, robots.txt, delays.

Order matters, see `spider.scrapy_settings`: the archive is closest to the network and sees the
bytes as they came, the decoder sits between it and Scrapy's own robots, retry and redirect
middlewares.
"""

import asyncio
import math
from collections import defaultdict

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.exceptions import StopDownload
from scrapy.http import Headers as ScrapyHeaders, Response
from scrapy.responsetypes import responsetypes
from scrapy.robotstxt import RobotParser
from scrapy.utils.httpobj import urlparse_cached

from crawler.archive import end_process
from crawler.encoding import ACCEPTED, decode_body
from crawler.warc import ArchiveWriter, Headers, Response as Archived

STOPPED = "download_stopped"
"""Scrapy's flag on a response whose body was not downloaded."""

# A robots.txt or a busy server may ask for hours; ten minutes keep one host from holding up all.
_LONGEST_DELAY_S = 600

_DISALLOW_ALL = b"User-agent: *\nDisallow: /\n"


class ArchiveExchanges:
    """Writes every response, robots.txt and redirects included, with its request.

    It also stops a download whose Content-Type is not wanted before the body comes, and sends
    every request through the replay proxy where there is one: set on the request itself, no
    environment variable can lead it past the proxy.
    """

    def __init__(self, writer: ArchiveWriter, content_types: set[str], proxy: str | None) -> None:
        self._writer = writer
        self._content_types = content_types
        self._proxy = proxy

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "ArchiveExchanges":
        """How Scrapy makes one; the spider holds the archive and the job."""
        job = crawler.spider.job  # pyright: ignore
        writer = crawler.spider.archive.writer  # pyright: ignore
        self = cls(writer, set(job.config.content_types), job.proxy)
        crawler.signals.connect(self.check_type, signals.headers_received)
        return self

    def process_request(self, request: Request) -> None:
        """Point the request at the replay proxy."""
        if self._proxy:
            request.meta["proxy"] = self._proxy

    def check_type(self, headers: ScrapyHeaders, request: Request) -> None:
        """Stop the download of a video, an archive, a PDF."""
        value = headers.get("Content-Type") or b"text/html"
        kind = value.decode("latin-1").partition(";")[0].strip().lower()
        is_page = not request.meta.get("dont_obey_robotstxt")
        if is_page and kind not in self._content_types:
            raise StopDownload(fail=False)

    def process_response(self, request: Request, response: Response) -> Response:
        """Archive the exchange; its offset goes into the request's meta."""
        is_cut = STOPPED in response.flags
        if is_cut:
            # An empty body is in no encoding; kept, the header would make a reader fail.
            response.headers.pop("Content-Encoding", None)
        archived = Archived(response.status, _plain(response.headers), response.body)
        url = request.url.partition("#")[0]
        try:
            request.meta["archive_offset"] = self._writer.write_exchange(
                url, _plain(request.headers), archived, cut=is_cut
            )
        except OSError as exc:
            end_process(exc)
        return response


class DecodeBodies:
    """Undoes Content-Encoding with the very function that reads the archive later.

    Scrapy's own middleware would do, but the digest of a page must be that of the body which
    extraction reads, for cut and broken streams too.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "DecodeBodies":
        """How Scrapy makes one."""
        return cls(crawler.settings.getint("DOWNLOAD_MAXSIZE"))

    def process_request(self, request: Request) -> None:
        """Say which encodings we read."""
        request.headers.setdefault("Accept-Encoding", ACCEPTED)

    def process_response(self, request: Request, response: Response) -> Response:
        """Decode the body; BodyTooLargeError and BadEncodingError reach the spider's errback."""
        encodings = [
            value.decode("latin-1") for value in response.headers.getlist("Content-Encoding")
        ]
        if not encodings:
            return response
        body = decode_body(response.body, encodings, self._max_bytes)
        headers = response.headers.copy()
        del headers["Content-Encoding"]
        kind = responsetypes.from_args(headers=headers, url=response.url, body=body)
        return response.replace(cls=kind, headers=headers, body=body)


class ObeyRobots(RobotsTxtMiddleware):
    """Scrapy's robots.txt middleware, with one gap closed and RFC 9309's rules for errors.

    The gap (Scrapy 2.19): of the requests that wait while a host's robots.txt is on its way only
    the first is told of it, the others get None, which means "allowed". Behind a lock per host
    they never wait on that one Deferred.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def robot_parser(self, request: Request) -> RobotParser | None:
        """The parsed robots.txt of the request's host."""
        async with self._locks[urlparse_cached(request).netloc]:
            return await super().robot_parser(request)

    def process_response(self, request: Request, response: Response) -> Response:
        """Of a robots.txt: a server's error forbids all, any other error allows all (2.3.1)."""
        if not request.meta.get("dont_obey_robotstxt") or response.status < 400:
            return response
        return response.replace(body=_DISALLOW_ALL if response.status >= 500 else b"")


class ObeyDelays:
    """Slows a host down as its robots.txt (Crawl-delay) or its answers (Retry-After) ask for."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._agent = crawler.settings["ROBOTSTXT_USER_AGENT"]

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "ObeyDelays":
        """How Scrapy makes one."""
        self = cls(crawler)
        crawler.signals.connect(self.obey_robots, signals.robots_parsed)
        return self

    def obey_robots(self, robotparser: RobotParser, request: Request) -> None:
        """Take over the Crawl-delay of a robots.txt."""
        self._slow_down(request, robotparser.crawl_delay(self._agent) or 0)

    def process_response(self, request: Request, response: Response) -> Response:
        """Take over the Retry-After of a 429 or 503."""
        wait = response.headers.get("Retry-After") or b""
        if response.status in {429, 503} and wait.isdigit():
            self._slow_down(request, float(wait))
        return response

    def _slow_down(self, request: Request, delay_s: float) -> None:
        if not 0 < delay_s < math.inf or self._crawler.engine is None:
            return
        downloader = self._crawler.engine.downloader
        host = urlparse_cached(request).hostname or ""
        delay_s = min(delay_s, _LONGEST_DELAY_S)
        # The setting outlives the slot, which Scrapy drops when a host is idle for a minute.
        settings = downloader.per_slot_settings.setdefault(host, {})
        settings["delay"] = max(
            delay_s, settings.get("delay", downloader.settings.getfloat("DOWNLOAD_DELAY"))
        )
        if host in downloader.slots:
            downloader.slots[host].delay = settings["delay"]


def _plain(headers: ScrapyHeaders) -> Headers:
    return [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name in headers
        for value in headers.getlist(name)
    ]
