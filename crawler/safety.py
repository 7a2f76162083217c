"""No request leaves for a private, loopback or link-local address, whatever a link says."""

import ipaddress
import socket
from collections.abc import Sequence
from typing import ClassVar

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest
from scrapy.resolver import CachingThreadedResolver
from scrapy.utils.httpobj import urlparse_cached
from twisted.internet.defer import Deferred
from twisted.internet.error import DNSLookupError


class PrivateAddressError(IgnoreRequest):
    """The host is, by its own name, an address that is not on the public internet."""


class SafeResolver(CachingThreadedResolver):
    """Resolves names to public IPv4 addresses only.

    Scrapy connects to the address that is returned here, so a name that later points elsewhere
    (DNS rebinding) gains nothing. `refused` remembers the names that were turned away: Twisted
    drops the reason on its way to the spider. There is one resolver per process.
    """

    refused: ClassVar[set[str]] = set()

    def getHostByName(  # noqa: N802 - Twisted's name
        self, name: str, timeout: Sequence[int] = ()
    ) -> "Deferred[str]":
        """Resolve `name`, and fail with DNSLookupError if its address is not public."""

        def check(address: str) -> str:
            if not is_public(address):
                self.refused.add(name)
                raise DNSLookupError(f"{name} is at {address}, which is not public")
            return address

        return super().getHostByName(name, timeout).addCallback(check)


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


def is_private_literal(host: str) -> bool:
    """Whether `host` is localhost or an address, in any spelling, that is not public."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        # inet_aton also reads 2130706433, 0x7f.1 and 127.1, as connect() would.
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
    inner = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    # Multicast counts as global in the registry, yet no page is there.
    return (inner or ip).is_global and not ip.is_multicast
