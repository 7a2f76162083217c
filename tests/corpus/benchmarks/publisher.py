"""An HTTP server on loopback that serves files as publishers do, and as they should not."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread


@dataclass
class Publisher:
    """What the server gives, and what it was asked for."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    """Path to the address that it redirects to."""
    stops_after: int | None = None
    """Bytes of a body after which it hangs up, once."""
    pauses_after: int | None = None
    """Bytes of a body after which it sends nothing more, once."""
    has_ranges: bool = True
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Path and `Range` of each."""
    agents: set[str] = field(default_factory=set)
    end: Event = field(default_factory=Event)


class _Handler(BaseHTTPRequestHandler):
    publisher: Publisher

    def do_GET(self) -> None:
        given, ranged = self.publisher, self.headers.get("Range", "")
        given.requests.append((self.path, ranged))
        given.agents.add(self.headers["User-Agent"])
        if self.path in given.moved:
            self.send_response(302)
            self.send_header("Location", given.moved[self.path])
            self.end_headers()
        elif self.path not in given.files:
            self.send_error(404)
        else:
            self._send(given.files[self.path], ranged)

    def _send(self, body: bytes, ranged: str) -> None:
        start = 0
        if (match := re.fullmatch(r"bytes=(\d+)-", ranged)) and self.publisher.has_ranges:
            start = int(match[1])
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        pause, self.publisher.pauses_after = self.publisher.pauses_after, None
        if pause is not None:
            self.wfile.write(body[start:pause])
            self.publisher.end.wait()
            return
        stop, self.publisher.stops_after = self.publisher.stops_after, None
        self.wfile.write(body[start:stop])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def serving() -> Iterator[Publisher]:
    """A publisher that answers on loopback."""
    given = Publisher()
    handler = type("Handler", (_Handler,), {"publisher": given})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    given.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield given
    finally:
        given.end.set()
        server.shutdown()
        thread.join()
        server.server_close()
