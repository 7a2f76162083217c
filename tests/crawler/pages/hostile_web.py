"""Servers on the loopback that do to a crawler whatever servers do: a host per behaviour.

Each behaviour has an address of its own in 127.0.1.0/24, so that all of them are crawled at once.
"""

import asyncio
import socket
import ssl
import struct
import tempfile
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID, NameOID

DAY = timedelta(days=1)
PROTOCOL_ALERT = bytes.fromhex("15 0301 0002 02 46")
HANDSHAKE_ALERT = bytes.fromhex("15 0303 0002 02 28")

Send = Callable[[bytes], Awaitable[None]]
Answer = bytes | Callable[[Send], Awaitable[None]]
"""What comes after the request: these bytes and the end, or whatever a coroutine sends."""


class Reset(Exception):  # noqa: N818 - it is no error here
    """Raised by an answer that ends with a reset connection."""


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """How one host behaves, and the outcome that its link deserves."""

    outcome: str
    detail: str | None = None
    """None: any."""
    answer: Answer = b""
    files: dict[str, Answer] = field(default_factory=dict)
    """Answers at other paths; what is missing is a 404."""
    path: str = "/page"
    tls: str = ""
    """Empty: plain http. Else the kind of certificate, or of misbehaviour in the handshake."""


class HostileWeb:
    """The running servers."""

    def __init__(self, behaviours: dict[str, Behaviour]) -> None:
        self.behaviours = behaviours
        self.num_requests: Counter[str] = Counter()
        self.bytes_sent: Counter[str] = Counter()
        self.ports: dict[str, int] = {}
        self._hosts = {f"127.0.1.{n}": name for n, name in enumerate(behaviours, start=1)}
        kinds = {each.tls for each in behaviours.values() if each.tls in _CERTIFICATES}
        self._contexts = {kind: _make_context(kind) for kind in kinds}
        self._clients: set[asyncio.Task[None]] = set()

    @property
    def urls(self) -> dict[str, str]:
        """name of a behaviour -> its link."""
        return {
            name: f"{scheme}://{host}:{self.ports[scheme]}{self.behaviours[name].path}"
            for host, name in self._hosts.items()
            for scheme in ["https" if self.behaviours[name].tls else "http"]
        }

    async def start(self) -> list[asyncio.Server]:
        servers = []
        for scheme in ("http", "https"):
            servers.append(await asyncio.start_server(self._serve, "0.0.0.0"))
            self.ports[scheme] = servers[-1].sockets[0].getsockname()[1]
        return servers

    async def stop(self, servers: list[asyncio.Server]) -> None:
        for server in servers:
            server.close()
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        host, port = writer.get_extra_info("sockname")
        try:
            if host in self._hosts:
                await self._misbehave(self._hosts[host], port, reader, writer)
        except Reset:
            linger = struct.pack("ii", 1, 0)  # none: what closes is reset
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._clients.discard(task)
            writer.transport.abort() if task.cancelling() else writer.close()

    async def _misbehave(
        self, name: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        behaviour = self.behaviours[name]
        if port == self.ports["https"] and not await _shake_hands(
            behaviour.tls, self._contexts, reader, writer
        ):
            return

        async def send(data: bytes) -> None:
            if writer.is_closing():
                raise ConnectionResetError
            writer.write(data)
            self.bytes_sent[name] += len(data)
            await writer.drain()
            await asyncio.sleep(0)

        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ", 2)[1].decode()
        if path == behaviour.path:
            self.num_requests[name] += 1
        answer = behaviour.answer if path == behaviour.path else behaviour.files.get(path)
        if answer is None:
            answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        if isinstance(answer, bytes):
            await send(answer)
        else:
            await answer(send)


@contextmanager
def serve(behaviours: dict[str, Behaviour]) -> Iterator[HostileWeb]:
    """Run the servers in a thread of their own."""
    web = HostileWeb(behaviours)
    loop = asyncio.new_event_loop()
    # A reset connection is what we do here all day.
    loop.set_exception_handler(lambda *_: None)
    servers = loop.run_until_complete(web.start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        asyncio.run_coroutine_threadsafe(web.stop(servers), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(asyncio.sleep(0.05))  # let transports close
        loop.close()


async def _shake_hands(
    kind: str,
    contexts: dict[str, ssl.SSLContext],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> bool:
    """Do what `kind` says; False: the conversation is over."""
    if kind in contexts:
        await writer.start_tls(contexts[kind])
        return True
    await reader.read(1)
    if kind == "hang":
        await asyncio.sleep(60)
    elif kind == "plain":
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\nThis port is not for HTTPS, or so I think.")
    elif kind == "old":
        writer.write(PROTOCOL_ALERT)
    elif kind == "refuse":
        writer.write(HANDSHAKE_ALERT)
    with suppress(OSError):
        await writer.drain()
    return False


# Days from now on which a certificate begins and ends, and the name in it (empty: the right ones).
_CERTIFICATES = {
    "good": (-1, 30, ""),
    "expired": (-90, -30, ""),
    "early": (10, 30, ""),
    "stranger": (-1, 30, "other.example"),
    "broken": (-1, 30, "broken"),
}


def _make_context(kind: str) -> ssl.SSLContext:
    begin, end, name = _CERTIFICATES[kind]
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        issuer, issuer, key.public_key(), x509.random_serial_number()
    ).not_valid_before(now + begin * DAY)
    certificate = (
        builder.not_valid_after(now + end * DAY)
        .add_extension(_names(name), critical=False)
        .sign(key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile(suffix=".pem") as pem:
        pem.write(certificate.public_bytes(serialization.Encoding.PEM))
        pem.write(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        pem.flush()
        context.load_cert_chain(pem.name)
    return context


def _names(name: str) -> x509.ExtensionType:
    if name == "broken":
        in_no_alphabet = b"\x30\x04\x82\x02\xff\xff"
        return x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, in_no_alphabet)
    addresses = [x509.IPAddress(ip_address(f"127.0.1.{n}")) for n in range(1, 255)]
    return x509.SubjectAlternativeName([x509.DNSName(name)] if name else addresses)
