"""Addresses that no request may reach, and answers that no process may swallow."""

import ipaddress

import pytest
from hypothesis import given, settings, strategies as st
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IHostnameResolver
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock
from twisted.web._newclient import Request as TxRequest, ResponseFailed
from twisted.web.http_headers import Headers
from zope.interface import implementer

from crawler.pages.safety import (
    MAX_HEADER_BYTES,
    BoundedFactory,
    HeadersTooLargeError,
    SafeResolver,
    is_private_literal,
    is_public,
)

PUBLIC, PUBLIC_6 = "93.184.216.34", "2606:4700::6810:85e5"


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "a.localhost", "localhost.", "0.0.0.0", "255.255.255.255"),
        *("2130706433", "0x7f.1", "127.1", "0177.0.0.1", "0x7f000001", "017700000001"),
        *("10.1.2.3", "192.168.0.1", "172.16.9.9", "169.254.169.254", "100.64.0.1", "224.0.0.1"),
        *("::1", "::", "fe80::1%eth0", "fd00::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "::8.8.8.8"),
        *("2002:7f00:1::", "2002:808:808::", "2001::1", "64:ff9b::7f00:1", "64:ff9b:1::808:808"),
    ],
)
def test_a_private_address_is_private_in_any_spelling(host):
    assert is_private_literal(host)


@pytest.mark.parametrize(
    "host",
    [
        *("example.org", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"),
        *("", "1.2.3.4.5", "localhost.example.org", "127.0.0.1.example.org"),
    ],
)
def test_names_and_public_addresses_are_not_private(host):
    assert not is_private_literal(host)


def test_public_is_what_the_registries_call_global():
    assert is_public("8.8.8.8")
    assert not is_public("192.0.2.1")


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address))
def test_an_address_inside_another_is_as_public_as_it_is_alone(address):
    assert is_public(f"::ffff:{address}") == is_public(str(address))
    assert is_public(f"64:ff9b::{address}") == is_public(str(address))


@implementer(IHostnameResolver)
class Dns:
    """Answers each look-up with the next list of addresses; None: never answers."""

    def __init__(self, *answers: list[str] | None) -> None:
        self.answers = list(answers)

    def resolveHostName(  # noqa: N802 - Twisted's name
        self, receiver, host, port=0, address_types=None, semantics="TCP"
    ):
        receiver.resolutionBegan(self)
        if (answer := self.answers.pop(0)) is not None:
            for address in answer:
                kind = IPv6Address if ":" in address else IPv4Address
                receiver.addressResolved(kind("TCP", address, port))
            receiver.resolutionComplete()
        return self


class Network:
    """A reactor whose names the safe resolver looks up, and that notes what is connected to."""

    def __init__(self, *answers: list[str] | None) -> None:
        self.reactor = MemoryReactorClock()
        self.reactor.nameResolver = Dns(*answers)
        SafeResolver(self.reactor, 0, 5.0).install_on_reactor()  # pyright: ignore
        self.failures = []

    def connect(self, host: str) -> list[str]:
        """The addresses that a connection to `host` was tried at."""
        self.reactor.tcpClients.clear()
        wanted = HostnameEndpoint(self.reactor, host, 80).connect(Factory())  # pyright: ignore
        wanted.addErrback(self.failures.append)
        self.reactor.pump([0.1] * 60)
        return [client[0] for client in self.reactor.tcpClients]


@pytest.fixture(autouse=True)
def _nothing_refused():
    SafeResolver.refused.clear()


def test_a_connection_goes_to_the_public_addresses_of_a_name_only():
    network = Network([PUBLIC, "127.0.0.1", "::1", PUBLIC_6, "::ffff:10.0.0.1"])
    assert network.connect("both.example") == [PUBLIC, PUBLIC_6]
    assert "both.example" not in SafeResolver.refused


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "fd00::7"])
def test_a_name_with_private_addresses_only_is_refused_by_name(address):
    network = Network([address], [address])
    assert network.connect("inside.example") == []
    assert network.connect("münchen.example") == []
    assert list(SafeResolver.refused) == ["inside.example", "xn--mnchen-3ya.example"]
    assert len(network.failures) == 2


def test_a_name_that_points_elsewhere_the_next_time_gains_nothing():
    network = Network([PUBLIC], ["127.0.0.1"], [PUBLIC])
    tried = [network.connect("rebinding.example") for _ in range(3)]
    assert tried == [[PUBLIC], [], [PUBLIC]]


def test_a_literal_address_is_judged_as_it_is_connected_to():
    assert Network(["127.0.0.1"]).connect("2130706433") == []


def test_a_look_up_without_an_answer_ends():
    network = Network(None)
    assert network.connect("silent.example") == []
    assert len(network.failures) == 1
    assert not SafeResolver.refused


def test_no_more_than_so_many_refused_names_are_remembered():
    limit = SafeResolver.refused.limit or 0
    for number in range(limit + 10):
        SafeResolver.refused[f"{number}.example"] = None
    assert len(SafeResolver.refused) == limit


class Wire:
    """The transport of a connection under test."""

    disconnecting = is_aborted = False

    def abortConnection(self):  # noqa: N802
        self.disconnecting = self.is_aborted = True

    def loseConnection(self):  # noqa: N802
        self.disconnecting = True

    def write(self, data):
        pass

    writeSequence = pauseProducing = resumeProducing = stopProducing = lambda *_: None  # noqa: N815


def exchange(*pieces: bytes):
    """Feed an answer to a fresh connection; its wire, and what became of the request."""
    connection, wire, results = BoundedFactory(lambda _: None, "").buildProtocol(None), Wire(), []
    connection.makeConnection(wire)  # pyright: ignore[reportArgumentType]
    asked = TxRequest(b"GET", b"/", Headers({b"host": [b"a.example"]}), None)
    connection.request(asked).addBoth(results.append)
    for piece in pieces:
        if not wire.disconnecting:
            connection.dataReceived(piece)
    return wire, results


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\n", *[b"X: " + b"y" * 997 + b"\r\n"] * (MAX_HEADER_BYTES // 1000 + 2)],
        [b"HTTP/1.1 200 OK\r\nX: y\r\n", *[b" " + b"y" * 999 + b"\r\n"] * 300],
        [b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000],
        [b"y" * 40_000],
    ],
    ids=["headers", "folded header", "interim answers", "line"],
)
def test_headers_without_end_end_the_connection_at_once(pieces):
    wire, [failure] = exchange(*pieces)
    assert wire.is_aborted
    assert failure.check(ResponseFailed)
    assert any(reason.check(HeadersTooLargeError) for reason in failure.value.reasons)


def test_long_headers_within_the_limit_are_read():
    _, [response] = exchange(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 9_000 + b"\r\nbody")
    assert response.code == 200
    assert len(response.headers.getRawHeaders(b"X")) == 9_000
