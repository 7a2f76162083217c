"""What keeps the crawling process safe: addresses not to reach, headers not to swallow."""

import ipaddress
import socket
from collections.abc import Sequence
from typing import ClassVar

from scrapy import Request
from scrapy.core.downloader.handlers.http11 import (
    _LenientHTTP11ClientFactory,
    _LenientHTTP11ClientProtocol,
    _LenientHTTPClientParser,
)
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest
from scrapy.resolver import CachingHostnameResolver
from scrapy.utils.datatypes import LocalCache
from scrapy.utils.httpobj import urlparse_cached
from twisted.internet.base import DelayedCall, ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IResolutionReceiver,
)
from twisted.web._newclient import ParseError, Request as TxRequest
from twisted.web.iweb import IResponse
from zope.interface import implementer

MAX_HEADER_BYTES = 1 << 18
"""Longest status line and headers of one answer, interim ones (1xx) included; Chrome's limit."""

_MAX_NAMES = 10_000

# Ranges that the registries call global although a packet sent there ends somewhere else. Public
# servers are never named by them; a relay may take the embedded IPv4 address to be a private one.
_TUNNELS = tuple(
    ipaddress.IPv6Network(block)
    for block in (
        "::/96",  # IPv4-compatible, deprecated (RFC 4291); holds ::1
        "2002::/16",  # 6to4 (RFC 3056)
        "2001::/32",  # Teredo (RFC 4380)
        "64:ff9b:1::/48",  # NAT64 for use within a network (RFC 8215)
    )
)
# NAT64 (RFC 6052): on a network without IPv4 the whole of the old web is seen through it, so the
# address behind it decides.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class PrivateAddressError(IgnoreRequest):
    """The host is, by its own name, an address that is not on the public internet."""


class HeadersTooLargeError(ParseError):
    """The headers of an answer do not come to an end."""

    def __init__(self) -> None:
        super().__init__(f"more than {MAX_HEADER_BYTES} bytes of headers", b"")


@implementer(IHostnameResolver)
class SafeResolver(CachingHostnameResolver):
    """Resolves names, IPv4 and IPv6, and gives out their public addresses only.

    Twisted connects to the very addresses that are returned here, one after the other, so a name
    that later points elsewhere (DNS rebinding) gains nothing. Literal addresses pass here too.
    `refused` remembers the names that have private addresses only: Twisted drops the reason on
    its way to the spider. There is one resolver per process.
    """

    refused: ClassVar[LocalCache[str, None]] = LocalCache(_MAX_NAMES)

    def __init__(self, reactor: ReactorBase, cache_size: int, timeout_s: float) -> None:
        super().__init__(reactor, cache_size)
        self._timeout_s = timeout_s

    @classmethod
    def from_crawler(cls, crawler: Crawler, reactor: ReactorBase) -> "SafeResolver":
        """How Scrapy makes one."""
        settings = crawler.settings
        return cls(reactor, settings.getint("DNSCACHE_SIZE"), settings.getfloat("DNS_TIMEOUT"))

    def resolveHostName(  # noqa: N802 - Twisted's name
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """Tell `resolutionReceiver` the public addresses of `hostName`; maybe there are none."""
        receiver = _PublicOnly(resolutionReceiver, hostName, self.reactor, self._timeout_s)
        return super().resolveHostName(
            receiver,  # pyright: ignore[reportArgumentType] - zope's interfaces are no types
            hostName,
            portNumber,
            addressTypes,
            transportSemantics,
        )


@implementer(IResolutionReceiver)
class _PublicOnly:
    """Stands between a resolver and whoever asked it; ends a look-up that takes too long."""

    def __init__(
        self, receiver: IResolutionReceiver, name: str, reactor: ReactorBase, timeout_s: float
    ) -> None:
        self._receiver = receiver
        self._name = name
        self._reactor = reactor
        self._timeout_s = timeout_s
        self._timeout: DelayedCall | None = None
        self._is_over = False
        self._num_public = self._num_private = 0

    def resolutionBegan(self, resolution: IHostResolution) -> None:  # noqa: N802
        self._receiver.resolutionBegan(resolution)  # pyright: ignore
        self._timeout = self._reactor.callLater(self._timeout_s, self.resolutionComplete)

    def addressResolved(self, address: IAddress) -> None:  # noqa: N802
        if self._is_over:
            return
        if is_public(address.host):  # pyright: ignore[reportAttributeAccessIssue]
            self._num_public += 1
            self._receiver.addressResolved(address)  # pyright: ignore
        else:
            self._num_private += 1

    def resolutionComplete(self) -> None:  # noqa: N802
        if self._is_over:
            return
        self._is_over = True
        if self._timeout and self._timeout.active():
            self._timeout.cancel()
        if self._num_private and not self._num_public:
            SafeResolver.refused[ascii_name(self._name)] = None
        self._receiver.resolutionComplete()  # pyright: ignore


class RefusePrivateHosts:
    """Downloader middleware: stops a URL whose host is itself a private address or localhost.

    Redirects pass here too. It needs no DNS, so it also holds behind a replay proxy, which would
    otherwise be asked for the page.
    """

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "RefusePrivateHosts":
        """How Scrapy makes one."""
        return cls()

    def process_request(self, request: Request) -> None:
        """Raise PrivateAddressError for such a host."""
        host = urlparse_cached(request).hostname or ""
        if is_private_literal(host):
            raise PrivateAddressError(host)


class _BoundedParser(_LenientHTTPClientParser):
    """Fails on endless headers, which Twisted would collect until the request times out."""

    num_header_bytes = 0

    def lineReceived(self, line: bytes) -> None:  # noqa: N802
        self.num_header_bytes += len(line)
        if self.num_header_bytes > MAX_HEADER_BYTES:
            raise HeadersTooLargeError
        super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: N802
        # Twisted hangs up here (at 16 KiB) as if the server had done so.
        raise HeadersTooLargeError


class _BoundedProtocol(_LenientHTTP11ClientProtocol):
    """One connection, whose peer can make it neither swallow headers nor stay open for ever."""

    def connectionMade(self) -> None:  # noqa: N802
        super().connectionMade()
        # Over TLS, losing a connection means to wait for the peer's goodbye, and to read on for
        # as long as it sends something else (twisted#8930).
        if self.transport is not None:
            self.transport.loseConnection = self.transport.abortConnection  # pyright: ignore

    def request(self, request: TxRequest) -> "Deferred[IResponse]":
        answer = super().request(request)
        if self._parser is not None:
            self._parser.__class__ = _BoundedParser
        return answer


class BoundedFactory(_LenientHTTP11ClientFactory):
    """Makes the connections of a download handler's pool: `handler._pool._factory`."""

    def buildProtocol(self, addr: IAddress | None) -> _BoundedProtocol:  # noqa: N802
        """A connection to `addr`."""
        return _BoundedProtocol(self._quiescentCallback)


def is_private_literal(host: str) -> bool:
    """Whether `host` is localhost or an address, in any spelling, that is not public."""
    host = host.rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        # inet_aton also reads 2130706433, 0x7f.1, 0177.1 and 127.1, as connect() would.
        return not is_public(socket.inet_ntoa(socket.inet_aton(host)))
    except OSError:
        pass
    try:
        return not is_public(host)
    except ValueError:
        return False


def is_public(address: str) -> bool:
    """Whether an IP address is reachable on the public internet.

    Raises:
        ValueError: `address` is not an IP address.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if any(ip in block for block in _TUNNELS):
            return False
        if ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        if ip.ipv4_mapped:
            return is_public(str(ip.ipv4_mapped))
    # Multicast counts as global in the registry, yet no page is there.
    return ip.is_global and not ip.is_multicast


def is_address(host: str) -> bool:
    """Whether a host name is an IP address in its usual spelling."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def ascii_name(host: str) -> str:
    """The host name as it stands in a URL: Twisted's resolvers are handed the Unicode form."""
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host
