"""Where a Ray cluster is, and whether anything is there: asked before Ray itself is, which waits.

Ray 2.60 takes minutes to find that nothing listens at an address, and says it in lines of its own.
"""

import os
import socket
from urllib.parse import urlsplit

from corpus.errors import PassingError, UsageError

_PATIENCE_S = 10
WORDS = ("auto", "local")
"""In place of an address: the cluster that Ray finds on this machine, or a new one on it."""


def cluster_address(given: str = "") -> str:
    """The address of the cluster to join: the one given, or RAY_ADDRESS; empty: none.

    Raises:
        UsageError: it is not HOST:PORT.
        PassingError: nothing listens there.
    """
    address = given or os.environ.get("RAY_ADDRESS", "")
    if address and address not in WORDS:
        _connect(address)
    return address


def _connect(address: str) -> None:
    host, port = _host_and_port(address)
    try:
        socket.create_connection((host, port), _PATIENCE_S).close()
    except OSError as exc:
        raise PassingError(
            f"nothing listens at {address}, where Ray should be: {exc}",
            hint="Start it on that machine, `ray start --head --port 6379`, or correct "
            "runner.address or RAY_ADDRESS. Without either Ray is started on this machine.",
        ) from exc


def _host_and_port(address: str) -> tuple[str, int]:
    place = urlsplit(f"//{address}")
    try:
        host, port = place.hostname, place.port
    except ValueError:
        host = port = None
    if "://" in address or host is None or port is None:
        raise UsageError(
            f"the address of Ray {address!r} is not HOST:PORT",
            hint="Give what `ray start --head` printed, such as HOST:6379, on a machine that is "
            "part of the cluster: not the ray:// address for clients from outside.",
        )
    return host, port
