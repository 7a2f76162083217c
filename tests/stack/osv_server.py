"""Answers as https://osv.dev's query API does, from tests/stack/known_advisories.csv."""

import csv
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
from packaging.version import Version

ADVISORIES = Path(__file__).with_name("known_advisories.csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory:
    """A fault of a package, in one range of its versions."""

    package: str
    """Its canonical name."""
    id: str
    aliases: tuple[str, ...]
    introduced: str
    """The first version that has it."""
    fixed: str
    """The first version after it that has it no more; empty: none is out."""
    source: str
    checked: str
    """The day on which somebody read it in the source; empty: nobody could."""

    def affects(self, version: str) -> bool:
        """True if the version lies in the range."""
        is_fixed = self.fixed and Version(version) >= Version(self.fixed)
        return Version(version) >= Version(self.introduced) and not is_fixed

    def as_osv(self) -> dict[str, Any]:
        """In the words of https://ossf.github.io/osv-schema/."""
        events = [{"introduced": self.introduced}]
        events += [{"fixed": self.fixed}] if self.fixed else []
        return {
            "id": self.id,
            "aliases": list(self.aliases),
            "summary": self.source,
            "affected": [
                {
                    "package": {"name": self.package, "ecosystem": "PyPI"},
                    "ranges": [{"type": "ECOSYSTEM", "events": events}],
                }
            ],
        }


@cache
def read_advisories() -> tuple[Advisory, ...]:
    """All rows of the file."""
    lines = ADVISORIES.read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return tuple(Advisory(aliases=tuple(row.pop("aliases").split()), **row) for row in rows)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name, version = asked["package"]["name"], asked["version"]
        found = [a for a in read_advisories() if a.package == name and a.affects(version)]
        body = orjson.dumps({"vulns": [each.as_osv() for each in found]} if found else {})
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 its name
        """Say nothing."""


@contextmanager
def serve_advisories() -> Iterator[str]:
    """The address to ask, on loopback, as long as the block runs."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query"
        finally:
            server.shutdown()
