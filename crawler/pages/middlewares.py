"""Scrapy downloader middlewares of the crawl that handle bodies: the archive and the decoder.

Order matters, see `scrapy_settings`: the archive is closest to the network and sees the bytes as
they came, the decoder sits between it and everything that looks into a body.
"""

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import StopDownload
from scrapy.http import Headers as ScrapyHeaders, Response
from scrapy.responsetypes import responsetypes

from crawler.archive.encoding import ACCEPTED, decode_body
from crawler.archive.warc import Headers, Response as Archived
from crawler.archive.writer import ArchiveWriter
from crawler.pages.robots import IS_ROBOTS

STOPPED = "download_stopped"
"""Scrapy's flag on a response whose body was not downloaded."""


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
        is_page = IS_ROBOTS not in request.meta
        if is_page and kind not in self._content_types:
            raise StopDownload(fail=False)

    def process_response(self, request: Request, response: Response) -> Response:
        """Archive the exchange, with the link that it was made for."""
        is_cut = STOPPED in response.flags
        if is_cut:
            # An empty body is in no encoding; kept, the header would make a reader fail.
            response.headers.pop("Content-Encoding", None)
        archived = Archived(response.status, _plain(response.headers), response.body)
        url = request.url.partition("#")[0]
        link = request.meta.get("link")
        self._writer.write_exchange(
            url,
            _plain(request.headers),
            archived,
            cut=is_cut,
            # Behind the replay proxy it would be the proxy's.
            ip="" if self._proxy else str(response.ip_address or ""),
            row=None if link is None else link.row,
        )
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


def _plain(headers: ScrapyHeaders) -> Headers:
    return [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name in headers
        for value in headers.getlist(name)
    ]
