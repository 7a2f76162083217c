"""One Prefect server for all tests of flows; commands run in this process."""

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import orjson
import pytest

from flows.__main__ import run_command
from flows.commands.options import console
from flows.embedded_prefect import embedded_prefect


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    exit_code: int
    out: str
    err: str


Webtext = Callable[..., Outcome]
Webhook = list[dict]
"""What a webhook was told."""


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prefect server that outlives the tests, as a team's would."""
    with embedded_prefect(tmp_path_factory.mktemp("prefect")) as url:
        from prefect.settings import PREFECT_API_URL, temporary_settings

        # A test module that imports a flow has made Prefect read its settings already.
        with temporary_settings({PREFECT_API_URL: url}):
            yield url


@pytest.fixture
def webtext(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    prefect_server: str,
) -> Webtext:
    """Run a webtext command in `tmp_path` and return its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "width", 200)

    def run(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["webtext", *arguments])
        exit_code = run_command()
        captured = capsys.readouterr()
        return Outcome(exit_code, captured.out, captured.err)

    return run


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    """A webhook that failures are reported to; what it was told."""
    told: Webhook = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(orjson.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format, *args):  # noqa: A002 - its name there
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("WEBTEXT_FAILURE_WEBHOOK", f"http://127.0.0.1:{server.server_port}/hook")
    yield told
    server.shutdown()
    thread.join()
    server.server_close()
