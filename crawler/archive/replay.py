"""An HTTP proxy that answers from an archive as if it were the web: real names, http and https.

    python -m crawler.archive.replay FOLDER --port 8899
    http_proxy=http://127.0.0.1:8899 https_proxy=http://127.0.0.1:8899 curl -k https://example.com/

A crawl through it is a crawl: robots.txt, redirects, time-outs and all, and the same each time.
Behind CONNECT it speaks TLS with a certificate that it made itself, for clients that do not
verify. What the archive does not hold is a 404.
"""

import argparse
import asyncio
import contextlib
import logging
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import responses
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from corpus.errors import UsageError, WebtextError
from crawler.archive.replay_archive import (
    NOT_FOUND,
    Answer,
    Archive,
    load_archive,
    url_key,
    without_gzip,
)

logger = logging.getLogger(__name__)

# A body that never ends, in pieces of this many bytes.
_ENDLESS_PIECE = b"<p>and so on</p>\n" * 4096

_CLIENT_GONE = (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, TimeoutError)


@contextmanager
def serve(folder: Path, port: int = 0) -> Iterator[str]:
    """Serve the archive in `folder` from a thread of its own; yield the proxy's address.

    Args:
        folder: WARC files, or pages with a URL table: see `replay_archive`.
        port: Where to listen on 127.0.0.1; 0 takes a free one.

    Raises:
        UsageError: `folder` holds no archive, or the port is taken.
        WebtextError: the archive cannot be read.
    """
    proxy = _ReplayProxy(load_archive(folder), _make_tls_context())
    loop = asyncio.new_event_loop()
    try:
        listening = asyncio.start_server(proxy.answer_client, "127.0.0.1", port)
        server = loop.run_until_complete(listening)
    except OSError as exc:
        loop.close()
        raise UsageError(
            f"cannot listen on 127.0.0.1:{port}: {exc.strerror}", hint="Name another port."
        ) from exc
    thread = threading.Thread(target=loop.run_forever, name="replay", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(proxy.hang_up(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _ReplayProxy:
    """Answers clients; a coroutine per connection."""

    def __init__(self, archive: Archive, tls: ssl.SSLContext) -> None:
        self._archive = archive
        self._tls = tls
        self._clients: set[asyncio.Task[None]] = set()

    async def answer_client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer the requests of one connection until the client hangs up."""
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            await self._converse(reader, writer)
        except (*_CLIENT_GONE, asyncio.CancelledError):
            pass  # clients of a crawl leave whenever they have enough
        except (ValueError, asyncio.LimitOverrunError):
            writer.write(_head(Answer(400, []), 0))
        finally:
            self._clients.discard(task)
            writer.transport.abort() if task.cancelling() else writer.close()
            with contextlib.suppress(*_CLIENT_GONE, asyncio.CancelledError):
                await writer.wait_closed()

    async def hang_up(self, server: asyncio.Server) -> None:
        """Take no more clients and end all conversations."""
        server.close()
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        origin = ""  # scheme and authority, once the client is in a tunnel
        while True:
            method, target, headers = _parse_head(await reader.readuntil(b"\r\n\r\n"))
            await reader.readexactly(int(headers.get("content-length", 0)))
            if method == "CONNECT":
                # Nothing may be awaited in between: the client's hello is for the TLS layer.
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await writer.start_tls(self._tls)
                origin = f"https://{target}"
                continue
            answer = self._look_up(origin + target)
            if "gzip" not in headers.get("accept-encoding", ""):
                answer = without_gzip(answer)
            await _send(writer, answer, with_body=method != "HEAD")

    def _look_up(self, url: str) -> Answer:
        read = self._archive.get(url_key(url))
        return read() if read else NOT_FOUND


def _parse_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    request_line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = request_line.split(" ")
    pairs = (line.partition(":") for line in lines)
    return method, target, {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _send(writer: asyncio.StreamWriter, answer: Answer, *, with_body: bool) -> None:
    writer.write(_head(answer, None if answer.is_endless else len(answer.body)))
    while answer.is_endless and with_body:
        writer.write(_ENDLESS_PIECE)
        await writer.drain()
        # Once a TLS client has hung up, writes are dropped and drain() no longer waits: without
        # this the loop would never see that, and no other client would be answered.
        await asyncio.sleep(0)
        if writer.is_closing():
            raise ConnectionResetError("the client has had enough")
    if with_body:
        writer.write(answer.body)
    await writer.drain()


def _head(answer: Answer, num_bytes: int | None) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {responses.get(answer.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    if num_bytes is None:
        lines.append("Connection: close")
    else:
        lines.append(f"Content-Length: {num_bytes}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def _make_tls_context() -> ssl.SSLContext:
    """A server context with a fresh key and a certificate that only names this proxy."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "webtext replay")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # The ssl module reads certificates from files only.
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


def main() -> None:
    """Serve a folder until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m crawler.archive.replay", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=8899)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        with serve(arguments.folder, arguments.port) as address:
            logger.info("replaying %s at %s (Ctrl-C to stop)", arguments.folder, address)
            with contextlib.suppress(KeyboardInterrupt):
                threading.Event().wait()
    except WebtextError as exc:
        parser.error(str(exc))


if __name__ == "__main__":
    main()
