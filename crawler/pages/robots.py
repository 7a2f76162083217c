"""robots.txt: fetched once a day per host, obeyed by RFC 9309, Crawl-delay taken over."""

import asyncio
import time
from dataclasses import dataclass

from protego import Protego
from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest, StopDownload
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK
from scrapy.utils.datatypes import LocalCache
from scrapy.utils.httpobj import urlparse_cached

IS_ROBOTS = "webtext_is_robots"
"""Key in the meta of a request for a robots.txt; its value counts the bytes that came."""

MAX_BYTES = 500 * 1024
"""How much of a robots.txt is read (RFC 9309, 2.5: at least this much)."""

_MAX_AGE_S = 24 * 3600  # RFC 9309, 2.4: an older copy should not be used
# What is kept: a parsed file takes thirty times the memory of its text, so few are kept parsed.
_MAX_HOSTS = 20_000
_MAX_KEPT_BYTES = 32 * 1024 * 1024
_MAX_PARSED = 1024


class RobotsDeniedError(IgnoreRequest):
    """The host's robots.txt forbids this address to us."""


class RobotsUnavailableError(RobotsDeniedError):
    """A server's error hides what the host's robots.txt says: all is forbidden, for now.

    RFC 9309, 2.3.1.4; 429 is no refusal for good either.
    """

    def __init__(self, host: str, status: int, retry_after: bytes | None) -> None:
        super().__init__(f"{host} http_{status}")
        self.retry_after = retry_after


class RobotsUnreachableError(IgnoreRequest):
    """The host's robots.txt cannot be fetched: `__cause__` says why. Its pages are not asked for.

    RFC 9309, 2.3.1.4 forbids all in that case; and the pages would fail in the same way.
    """


@dataclass(slots=True)
class _Robots:
    body: bytes
    fetched_at: float


class RobotsCache:
    """The robots.txt of the hosts that are being crawled, bounded in number and bytes."""

    def __init__(self) -> None:
        self._files: LocalCache[str, _Robots] = LocalCache(_MAX_HOSTS)
        self._parsed: LocalCache[str, Protego] = LocalCache(_MAX_PARSED)
        self._num_bytes = 0

    def get(self, origin: str, now: float) -> Protego | None:
        """The rules of an origin (scheme, host and port); None: not known, or too old."""
        found = self._files.get(origin)
        if found is None or now - found.fetched_at > _MAX_AGE_S:
            return None
        if origin not in self._parsed:
            self._parsed[origin] = Protego.parse(found.body.decode(errors="replace"))
        return self._parsed[origin]

    def put(self, origin: str, body: bytes, now: float) -> None:
        """Keep a file; an empty one allows all."""
        self._forget(origin)
        self._files[origin] = _Robots(body[:MAX_BYTES], now)
        self._num_bytes += len(self._files[origin].body)
        while self._num_bytes > _MAX_KEPT_BYTES:
            self._forget(next(iter(self._files)))

    def _forget(self, origin: str) -> None:
        self._parsed.pop(origin, None)
        if found := self._files.pop(origin, None):
            self._num_bytes -= len(found.body)


class ObeyRobots:
    """Downloader middleware: lets no request pass that the host's robots.txt forbids.

    Scrapy's own keeps every parsed file for ever, allows everything when the file cannot be
    fetched, and (2.19) tells only the first of the requests that wait for a file what it says.
    """

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._agent: str = crawler.settings["ROBOTSTXT_USER_AGENT"]
        self._cache = RobotsCache()
        self._fetching: dict[str, asyncio.Future[None]] = {}

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "ObeyRobots":
        """How Scrapy makes one."""
        self = cls(crawler)
        crawler.signals.connect(self.cut_long_file, signals.bytes_received)
        return self

    def cut_long_file(self, data: bytes, request: Request) -> None:
        """Read no more of a file than is obeyed."""
        if IS_ROBOTS in request.meta:
            request.meta[IS_ROBOTS] += len(data)
            if request.meta[IS_ROBOTS] > MAX_BYTES:
                raise StopDownload(fail=False)

    async def process_request(self, request: Request) -> None:
        """Raise RobotsDeniedError or RobotsUnreachableError, or let the request pass."""
        if IS_ROBOTS in request.meta:
            return
        parts = urlparse_cached(request)
        origin = f"{parts.scheme}://{parts.netloc}"
        while (rules := self._cache.get(origin, time.time())) is None:
            await self._fetch(origin)
        if not rules.can_fetch(request.url, self._agent):
            raise RobotsDeniedError

    async def _fetch(self, origin: str) -> None:
        """Fetch the file; requests that come meanwhile wait for the one that fetches."""
        if waiting := self._fetching.get(origin):
            await asyncio.shield(waiting)
            return
        future = self._fetching[origin] = asyncio.get_running_loop().create_future()
        try:
            self._keep(origin, await self._download(origin))
            future.set_result(None)
        except Exception as exc:
            error = _as_robots_error(exc)
            future.set_exception(error)
            future.exception()  # there may be nobody who waits: no complaint about that
            raise error  # noqa: B904 - its cause is set already
        finally:
            del self._fetching[origin]

    def _keep(self, origin: str, response: Response) -> None:
        host = urlparse_cached(Request(origin)).hostname or ""
        if response.status >= 500 or response.status == 429:
            raise RobotsUnavailableError(host, response.status, response.headers.get("Retry-After"))
        # RFC 9309, 2.3.1.3: without a file all is allowed.
        body = response.body if response.status < 400 else b""
        self._cache.put(origin, body, time.time())
        rules = self._cache.get(origin, time.time())
        if rules and (delay_s := rules.crawl_delay(self._agent)):
            self._crawler.spider.slow_down(host, delay_s)  # pyright: ignore

    async def _download(self, origin: str) -> Response:
        request = Request(
            f"{origin}/robots.txt", callback=NO_CALLBACK, meta={IS_ROBOTS: 0}, priority=1000
        )
        assert self._crawler.engine is not None
        try:
            return await self._crawler.engine.download_async(request)
        except IgnoreRequest as exc:
            if "max redirections" in str(exc):  # RFC 9309, 2.3.1.2: as if there were none
                return Response(request.url, status=404)
            raise


def _as_robots_error(error: Exception) -> Exception:
    if isinstance(error, RobotsUnavailableError):
        return error
    unreachable = RobotsUnreachableError("robots.txt")
    unreachable.__cause__ = error
    return unreachable
