"""Which one outcome a link gets: from its answer, or from the error that came instead."""

from collections.abc import Iterable, Iterator

from OpenSSL import SSL
from scrapy.core.downloader.handlers.http11 import TunnelError
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
    NotSupported,
    ResponseDataLossError,
    UnsupportedURLSchemeError,
)
from scrapy.http import Response
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.web._newclient import ParseError

from crawler.encoding import BadEncodingError, BodyTooLargeError
from crawler.safety import PrivateAddressError, SafeResolver
from crawler.warc import FETCHED

_PAGE_STATUSES = {200, 203}

# The first match names the outcome; a cause is looked at before what it caused.
_REASONS: list[tuple[type[BaseException], str]] = [
    (PrivateAddressError, "private_address"),
    (BodyTooLargeError, "too_large"),
    (BadEncodingError, "bad_response"),
    (SSL.Error, "tls_error"),
    (ParseError, "bad_response"),
    (ResponseDataLossError, "bad_response"),
    (DownloadTimeoutError, "timeout"),
    # Scrapy cancels a download for one reason only: it is over DOWNLOAD_MAXSIZE.
    (DownloadCancelledError, "too_large"),
    (CannotResolveHostError, "dns_error"),
    (DownloadConnectionRefusedError, "connection_failed"),
    (DownloadFailedError, "connection_failed"),
    (TunnelError, "connection_failed"),
    (ConnectError, "connection_failed"),
    (ConnectionClosed, "connection_failed"),
    (UnsupportedURLSchemeError, "bad_url"),
    (NotSupported, "bad_url"),
    (OSError, "connection_failed"),
]


def of_response(response: Response, content_types: Iterable[str]) -> tuple[str, str]:
    """The outcome and its detail for an answer that came.

    Args:
        response: The last one, after redirects.
        content_types: The media types that count as a page, lower case.
    """
    if response.status not in _PAGE_STATUSES:
        return f"http_{response.status}", ""
    kind = media_type(response)
    return (FETCHED, "") if kind in content_types else ("not_html", kind or "no content type")


def of_error(error: BaseException, host: str) -> tuple[str, str]:
    """The outcome and its detail for a request that failed.

    The detail holds names only, no address, time or number that differs from run to run.

    Args:
        error: What Scrapy hands to the errback.
        host: The host of the request that failed (the last one, after redirects).
    """
    if isinstance(error, IgnoreRequest) and not isinstance(error, PrivateAddressError):
        # Scrapy's robots and redirect middlewares both raise a plain IgnoreRequest.
        if "robots.txt" in str(error):
            return "robots_denied", host
        if "max redirections" in str(error):
            return "too_many_redirects", host
    if isinstance(error, CannotResolveHostError) and host in SafeResolver.refused:
        return "private_address", host
    for cause in _causes(error):
        for kind, reason in _REASONS:
            if isinstance(cause, kind):
                return reason, type(cause).__name__
    return "crawl_error", type(error).__name__


def media_type(response: Response) -> str:
    """The response's media type without parameters, lower case; empty if it has none."""
    value = response.headers.get("Content-Type") or b""
    return value.decode("latin-1").partition(";")[0].strip().lower()


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The innermost causes first: Twisted wraps a TLS error in two envelopes."""
    for reason in getattr(error, "reasons", []):
        yield from _causes(reason.value)
    if error.__cause__ is not None:
        yield from _causes(error.__cause__)
    yield error
