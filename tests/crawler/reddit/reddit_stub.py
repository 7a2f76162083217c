"""A small Reddit on a loopback port: tokens, listings, submissions by id, and failures on demand.

It checks what the real one checks (Basic credentials, a valid token, a User-Agent), pages listings
as the real one does, and keeps its rate limit: who does not wait is answered with 429.
"""

import base64
import json
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from urllib.parse import parse_qs, urlsplit

import praw.config
import pytest

from tests.crawler.reddit.t3_things import Thing

CLIENT_ID, CLIENT_SECRET = "stub-client", "stub-secret-8f1d3c"
LISTING_SIZE = 1_000
TOKEN_PATH = "/api/v1/access_token"


@dataclass(frozen=True)
class Fault:
    """One answer that is not what was asked for."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    is_reset: bool = False
    """Break the connection instead of answering."""
    cut_bytes: int = 0
    """Announce so many bytes more than are sent."""


RESET = Fault(is_reset=True)
HTML = Fault(body=b"<html>Our CDN was unable to reach our servers</html>")
CUT = Fault(body=b'{"kind": "Listing", "da', cut_bytes=500)


@dataclass
class Asked:
    """A request as it came."""

    path: str
    params: dict[str, str]
    user_agent: str
    status: int = 0


class RedditStub:
    """What this Reddit holds, and what it was asked."""

    def __init__(self) -> None:
        self.address = ""
        self.submissions: dict[str, Thing] = {}
        self.listings: dict[str, list[str]] = {}
        """Ids by `programming/hot`; every `new` is in the order of time unless given here."""
        self.faults: dict[str, list[Fault | None]] = {}
        """What to answer first, by path such as `/r/all/new`; None: what was asked for."""
        self.asked: list[Asked] = []
        self.token = "token-0"
        self.num_tokens = 0
        self.window_s, self.window_requests = 1, 1_000_000
        self.pause_s = 0.0
        """How long each answer takes, in seconds."""
        self._window_end, self._used = 0.0, 0
        self._lock = Lock()

    def add(self, *things: Thing) -> None:
        """Submit, or replace, submissions."""
        self.submissions.update({thing["id"]: thing for thing in things})

    def fail(self, path: str, *faults: Fault | None) -> None:
        """Answer the next requests of a path with these."""
        self.faults.setdefault(path, []).extend(faults)

    def expire_token(self) -> None:
        """Accept the token no longer that was given out."""
        self.token = "nobody has this one"

    def paths(self) -> list[str]:
        """What was asked for, but for tokens."""
        return [asked.path for asked in self.asked if asked.path != TOKEN_PATH]

    def next_fault(self, path: str) -> Fault | None:
        """Take the next failure of a path."""
        with self._lock:
            waiting = self.faults.get(path)
            return waiting.pop(0) if waiting else None

    def new_token(self) -> str:
        """Give out a token that replaces the last."""
        self.num_tokens += 1
        self.token = f"token-{self.num_tokens}"
        return self.token

    def count(self) -> tuple[bool, dict[str, str]]:
        """Count a request; whether it is within the limit, and the headers that say so."""
        with self._lock:
            now = time.monotonic()
            if now >= self._window_end:
                self._window_end, self._used = now + self.window_s, 0
            self._used += 1
            left = self.window_requests - self._used
            return left >= 0, {
                "x-ratelimit-remaining": f"{max(left, 0):.1f}",
                "x-ratelimit-used": str(self._used),
                "x-ratelimit-reset": str(max(1, round(self._window_end - now))),
            }

    def listing(self, name: str, params: Mapping[str, str]) -> dict:
        """A page of a listing."""
        subreddit, order = name.split("/")
        ids = self.listings.get(name) or self._newest(subreddit)
        ids = ids[:LISTING_SIZE]
        after = params.get("after", "").removeprefix("t3_")
        start = ids.index(after) + 1 if after in ids else 0
        page = ids[start : start + min(int(params.get("limit", 25)), 100)]
        more = start + len(page) < len(ids)
        assert order == "new" or name in self.listings, f"no listing {name}"
        return _listing([self.submissions[each] for each in page], page[-1] if more else None)

    def _newest(self, subreddit: str) -> list[str]:
        wanted = [
            thing
            for thing in self.submissions.values()
            if subreddit in ("all", str(thing["subreddit"]))
        ]
        wanted.sort(key=lambda thing: (thing["created_utc"], int(thing["id"], 36)), reverse=True)
        return [thing["id"] for thing in wanted]

    def info(self, names: str) -> dict:
        """Submissions by fullname; those that are not there are left out."""
        ids = [name.removeprefix("t3_") for name in names.split(",")[:100]]
        return _listing([self.submissions[each] for each in ids if each in self.submissions], None)


def _listing(things: list[Thing], after: str | None) -> dict:
    return {
        "kind": "Listing",
        "data": {
            "after": f"t3_{after}" if after else None,
            "dist": len(things),
            "modhash": None,
            "geo_filter": None,
            "children": [{"kind": "t3", "data": thing} for thing in things],
            "before": None,
        },
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    stub: RedditStub

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        path = urlsplit(self.path).path
        asked = self._note(path, {})
        if self._failed(path, asked):
            return
        wanted = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if self.headers.get("authorization") != f"Basic {wanted}":
            self._answer(asked, {"message": "Unauthorized", "error": 401}, 401)
        elif path != TOKEN_PATH or parse_qs(form)["grant_type"] != ["client_credentials"]:
            self._answer(asked, {"error": "unsupported_grant_type"})
        else:
            token = {"access_token": self.stub.new_token(), "token_type": "bearer"}
            self._answer(asked, {**token, "expires_in": 86_400, "scope": "*"})

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        params = {key: values[0] for key, values in parse_qs(parts.query).items()}
        asked = self._note(parts.path, params)
        time.sleep(self.stub.pause_s)
        within, limits = self.stub.count()
        if self._failed(parts.path, asked):
            return
        if self.headers.get("authorization") != f"bearer {self.stub.token}":
            self._answer(asked, {"message": "Unauthorized", "error": 401}, 401, limits)
        elif not within:
            self._answer(asked, {"message": "Too Many Requests", "error": 429}, 429, limits)
        elif parts.path.rstrip("/") == "/api/info":
            self._answer(asked, self.stub.info(params["id"]), 200, limits)
        else:
            self._answer(asked, self.stub.listing(parts.path[3:], params), 200, limits)

    def _note(self, path: str, params: dict[str, str]) -> Asked:
        asked = Asked(path, params, self.headers.get("user-agent", ""))
        self.stub.asked.append(asked)
        return asked

    def _failed(self, path: str, asked: Asked) -> bool:
        fault = self.stub.next_fault(path)
        if fault is None:
            return False
        if fault.is_reset:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True
            return True
        self._send(asked, fault.status, fault.headers, fault.body, fault.cut_bytes)
        return True

    def _answer(
        self,
        asked: Asked,
        content: dict,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._send(asked, status, headers or {}, json.dumps(content).encode())

    def _send(
        self,
        asked: Asked,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        cut_bytes: int = 0,
    ) -> None:
        asked.status = status
        self.send_response(status)
        for name, value in {"Content-Type": "application/json; charset=UTF-8", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) + cut_bytes))
        self.close_connection = self.close_connection or cut_bytes > 0
        if self.close_connection:  # or the client may send its next request into the void
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a killed client


@contextmanager
def serve_reddit() -> Iterator[RedditStub]:
    """Run a stub on a free port of 127.0.0.1."""
    stub = RedditStub()
    handler = type("Handler", (_Handler,), {"stub": stub})
    with _Server(("127.0.0.1", 0), handler) as server:
        stub.address = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield stub
        finally:
            server.shutdown()
            thread.join()


def point_praw_to(
    stub: RedditStub, monkeypatch: pytest.MonkeyPatch, config_home: Path, **more: str
) -> None:
    """Have PRAW, here and in processes started from here, ask a stub, through praw.ini.

    Args:
        stub: The stub.
        monkeypatch: Undoes it.
        config_home: Becomes XDG_CONFIG_HOME.
        more: Further keys of praw.ini; an empty one leaves the key out.
    """
    keys = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "oauth_url": stub.address,
        "reddit_url": stub.address,
        **more,
    }
    config_home.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{key}={value}\n" for key, value in keys.items() if value)
    (config_home / "praw.ini").write_text(f"[DEFAULT]\n{lines}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config_home))
    for name in ("client_id", "client_secret", "site", "user_agent"):
        monkeypatch.delenv(f"praw_{name}", raising=False)
    monkeypatch.setattr(praw.config.Config, "CONFIG", None)  # or PRAW keeps what it read first
