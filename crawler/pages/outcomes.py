"""Which one outcome a link gets: from its answer, or from the error that came instead."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache

from cryptography.x509 import load_der_x509_certificate
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
from scrapy.utils.httpobj import urlparse_cached
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import extract_patterns
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from twisted.internet.error import ConnectError, ConnectionClosed, ConnectionLost
from twisted.web._newclient import ParseError, ResponseFailed, ResponseNeverReceived
from twisted.web.http import _DataLoss, _MalformedChunkedDataError

from crawler.archive.encoding import BadEncodingError, BodyTooLargeError, foreign_type, is_blank
from crawler.archive.warc import FETCHED
from crawler.pages.opt_outs import OPT_OUT_HEADERS, OptOutError, opt_out_of
from crawler.pages.redirects import TargetRefusedError
from crawler.pages.robots import RobotsDeniedError, RobotsUnreachableError
from crawler.pages.safety import (
    HeadersTooLargeError,
    PrivateAddressError,
    SafeResolver,
    is_address,
)
from crawler.pages.walls import recognise


class Reason(Enum):
    """Why a link has no page. A status other than 200 and 203 is `http_NNN`, not listed here."""

    def __init__(self, code: str, meaning: str) -> None:
        self.code = code
        self.meaning = meaning

    BAD_URL = "bad_url", "The link, or where it redirects to, is no address that can be asked for."
    DNS_ERROR = "dns_error", "The host's name has no address, or nobody said so in time."
    PRIVATE_ADDRESS = "private_address", "The host is not on the public internet."
    CONNECTION_FAILED = "connection_failed", "No connection, or it broke: refused, reset, closed."
    TLS_ERROR = "tls_error", "No TLS connection: handshake, protocol or certificate (unreadable)."
    TIMEOUT = "timeout", "The answer was not complete in time."
    BAD_RESPONSE = "bad_response", "What came is not HTTP: the detail names the part that is not."
    TOO_LARGE = "too_large", "The body is over the limit, as downloaded or as decoded."
    TOO_MANY_REDIRECTS = "too_many_redirects", "More redirects than are followed, or a loop."
    BAD_REDIRECT = "bad_redirect", "A redirect that leads nowhere, or where no link may lead."
    ROBOTS_DENIED = "robots_denied", "The host's robots.txt forbids it."
    OPT_OUT = "opt_out", "The page or its host reserves text and data mining; says with what."
    NOT_HTML = "not_html", "Another media type, by its header or by its first bytes."
    EMPTY = "empty", "The body holds nothing but white space."
    SOFT_404 = "soft_404", "A page that says `not found` with status 200."
    BOT_WALL = "bot_wall", "A challenge or refusal for robots in place of the page."
    COOKIE_WALL = "cookie_wall", "A question for consent in place of the page."
    LOGIN_WALL = "login_wall", "A form to log in in place of the page."
    PARKED = "parked", "The domain is for sale, or shows nothing but advertisements."
    HOST_UNAVAILABLE = "host_unavailable", "The host failed so often that it was given up."
    CRAWL_ERROR = "crawl_error", "None of the above: worth a bug report."


_PAGE_STATUSES = {200, 203}
_REDIRECT_STATUSES = {301, 302, 303, 307, 308}

# The first line that matches the error or any of its causes names the outcome and its detail.
_ERRORS: list[tuple[type[BaseException], Reason, str]] = [
    (RobotsDeniedError, Reason.ROBOTS_DENIED, ""),
    (TargetRefusedError, Reason.BAD_REDIRECT, ""),
    (OptOutError, Reason.OPT_OUT, ""),
    (PrivateAddressError, Reason.PRIVATE_ADDRESS, ""),
    (BodyTooLargeError, Reason.TOO_LARGE, "decoded"),
    (BadEncodingError, Reason.BAD_RESPONSE, ""),
    (HeadersTooLargeError, Reason.BAD_RESPONSE, "headers"),
    (SSL.Error, Reason.TLS_ERROR, ""),
    (DownloadTimeoutError, Reason.TIMEOUT, ""),
    (ParseError, Reason.BAD_RESPONSE, "status_line"),
    (_MalformedChunkedDataError, Reason.BAD_RESPONSE, "chunk"),
    # Scrapy cancels a download for one reason only: it is over DOWNLOAD_MAXSIZE.
    (DownloadCancelledError, Reason.TOO_LARGE, "downloaded"),
    (ConnectionLost, Reason.CONNECTION_FAILED, "reset"),
    (ResponseNeverReceived, Reason.CONNECTION_FAILED, "closed"),
    (_DataLoss, Reason.BAD_RESPONSE, "cut"),
    (ResponseDataLossError, Reason.BAD_RESPONSE, "cut"),
    # Twisted's parser raises these for lengths and transfer encodings; they come wrapped.
    (ConnectionClosed, Reason.CONNECTION_FAILED, "closed"),
    (ResponseFailed, Reason.BAD_RESPONSE, "headers"),
    (CannotResolveHostError, Reason.DNS_ERROR, ""),
    (DownloadConnectionRefusedError, Reason.CONNECTION_FAILED, "refused"),
    (DownloadFailedError, Reason.CONNECTION_FAILED, ""),
    (TunnelError, Reason.CONNECTION_FAILED, "proxy"),
    (ConnectError, Reason.CONNECTION_FAILED, "no_route"),
    (UnsupportedURLSchemeError, Reason.BAD_URL, "scheme"),
    (NotSupported, Reason.BAD_URL, "scheme"),
    (OSError, Reason.CONNECTION_FAILED, ""),
    # A Location that cannot be parsed; a link that cannot never becomes a request.
    (ValueError, Reason.BAD_REDIRECT, "bad_url"),
]

# What OpenSSL calls the side that speaks another TLS, or none at all.
_OTHER_PROTOCOL = ("version", "protocol", "http request", "packet length", "record")


def of_response(
    response: Response,
    content_types: Iterable[str],
    link: str = "",
    *,
    obey_opt_outs: bool = True,
) -> tuple[str, str]:
    """The outcome and its detail for an answer that came.

    The detail of a page that is kept says what a person may want to know of it all the same: an
    opt-out that the recipe does not obey, and what is wrong with the certificate.

    Args:
        response: The last one, after redirects, its body decoded.
        content_types: The media types that count as a page, lower case.
        link: The address that was asked for first; empty: the response's own.
        obey_opt_outs: Whether a page that opts out is rejected.
    """
    link = link or response.url
    wall = recognise(response.status, link, response.url, response.body)
    if response.status not in _PAGE_STATUSES:
        return _of_status(response, ": ".join(wall) if wall else "")
    opt_out = _opt_out_of(response)
    if opt_out and obey_opt_outs:
        return Reason.OPT_OUT.code, opt_out
    if defect := _defect_of(response, content_types):
        return defect
    if wall:
        return wall
    fault = certificate_fault(response)
    return FETCHED, "; ".join(filter(None, [opt_out and f"opt_out: {opt_out}", fault]))


def of_error(error: BaseException, host: str) -> tuple[str, str]:
    """The outcome and its detail for a request that failed.

    The detail holds names only, no address, time or number that differs from run to run.

    Args:
        error: What Scrapy hands to the errback.
        host: The host of the request that failed (the last one, after redirects).
    """
    if isinstance(error, IgnoreRequest) and "max redirections" in str(error):
        return Reason.TOO_MANY_REDIRECTS.code, host
    causes = list(_causes(error))
    is_unresolved = any(isinstance(cause, CannotResolveHostError) for cause in causes)
    if is_unresolved and host in SafeResolver.refused:
        return Reason.PRIVATE_ADDRESS.code, host
    for kind, reason, detail in _ERRORS:
        for cause in causes:
            if isinstance(cause, kind):
                words = [detail or _detail_of(cause, host)]
                # Of the page's own request nothing is known then.
                words += ["at robots.txt"] * isinstance(error, RobotsUnreachableError)
                return reason.code, " ".join(filter(None, words))
    return Reason.CRAWL_ERROR.code, type(error).__name__


def media_type(response: Response) -> str:
    """The response's media type without parameters, lower case; empty if it has none."""
    value = response.headers.get("Content-Type") or b""
    return value.decode("latin-1").partition(";")[0].strip().lower()


def certificate_fault(response: Response) -> str:
    """What is wrong with the certificate behind a response, such as `tls: expired`.

    Such a page is kept all the same: nothing secret is sent, what comes is public, many old sites
    never renewed theirs, and the great public crawls accept them too. The chain up to a root is
    not checked; who wants to leave such pages out finds the fault beside the page's outcome.
    """
    is_proxied = response.request is not None and "proxy" in response.request.meta
    if response.certificate is None or is_proxied:  # a replay proxy shows its own
        return ""
    try:
        return _fault_of(response.certificate.dump(), urlparse_cached(response).hostname or "")
    except ValueError:
        return "tls: unreadable"


@lru_cache(maxsize=1024)  # to take a certificate apart costs 0.3 ms, and a host shows its own often
def _fault_of(der: bytes, host: str) -> str:
    certificate = load_der_x509_certificate(der)
    now = datetime.now(UTC)
    if certificate.not_valid_after_utc < now:
        return "tls: expired"
    if certificate.not_valid_before_utc > now:
        return "tls: not_yet_valid"
    try:
        service = IPAddress_ID(host) if is_address(host) else DNS_ID(host)
        verify_service_identity(extract_patterns(certificate), [service], [])
    except (CertificateError, VerificationError, ValueError):
        return "tls: wrong_name"
    return "tls: self_signed" if certificate.issuer == certificate.subject else ""


def _of_status(response: Response, wall: str) -> tuple[str, str]:
    if not 100 <= response.status <= 999:
        return Reason.BAD_RESPONSE.code, "status_line"
    if response.status not in _REDIRECT_STATUSES:
        return f"http_{response.status}", wall
    # Scrapy follows every other one. What it leaves has no target, or one that is not http.
    location = (response.headers.get("Location") or b"").decode("latin-1")
    scheme = location.partition(":")[0].strip().lower()[:20]
    return Reason.BAD_REDIRECT.code, scheme if location else "no location"


def _opt_out_of(response: Response) -> str:
    headers = [
        (name, value.decode("latin-1"))
        for name in OPT_OUT_HEADERS
        for value in response.headers.getlist(name)
    ]
    return opt_out_of(headers, response.body)


def _defect_of(response: Response, content_types: Iterable[str]) -> tuple[str, str] | None:
    """Why a body is no page. One without a type is what its bytes say, as in a browser."""
    kind = media_type(response)
    if kind and kind not in content_types:
        return Reason.NOT_HTML.code, kind
    if is_blank(response.body):
        return Reason.EMPTY.code, ""
    foreign = foreign_type(response.body)
    return (Reason.NOT_HTML.code, f"{foreign} by its first bytes") if foreign else None


def _detail_of(cause: BaseException, host: str) -> str:
    """The detail where it is more than a fixed word."""
    if isinstance(cause, SSL.Error):
        return _tls_detail(cause)
    if isinstance(cause, RobotsDeniedError):
        return str(cause) or host
    if isinstance(cause, TargetRefusedError):
        return cause.rejection.reason
    if isinstance(cause, OptOutError | BadEncodingError):
        return str(cause)
    if isinstance(cause, PrivateAddressError | CannotResolveHostError):
        return host
    return "" if isinstance(cause, DownloadTimeoutError) else type(cause).__name__


def _tls_detail(error: SSL.Error) -> str:
    # OpenSSL's queue of (library, function, reason); empty: the peer hung up.
    reasons = [str(entry[-1]) for entry in error.args[0]] if error.args else []
    text = " ".join(reasons).lower()
    if "certificate" in text:
        return "certificate"
    return "protocol" if any(word in text for word in _OTHER_PROTOCOL) else "handshake"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The innermost causes first: Twisted wraps a TLS error in two envelopes."""
    for reason in getattr(error, "reasons", []):
        yield from _causes(reason.value)
    if error.__cause__ is not None:
        yield from _causes(error.__cause__)
    yield error
