"""Scrapy's HTTP download handler with connections that suit a crawl of very many hosts."""

import resource

from scrapy.core.downloader.handlers.http11 import HTTP11DownloadHandler
from scrapy.crawler import Crawler

from crawler.pages.safety import BoundedFactory

# Twisted keeps an idle connection for 240 s: at 100 new hosts a second, 24,000 open sockets.
_IDLE_S = 10


class BroadDownloadHandler(HTTP11DownloadHandler):
    """Gives up idle connections soon, and those that send headers without end."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._pool.cachedConnectionTimeout = _IDLE_S
        self._pool._factory = BoundedFactory  # pyright: ignore - Twisted has no setting for it


def raise_open_files_limit() -> None:
    """Allow this process as many open sockets as the system allows it to ask for."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
