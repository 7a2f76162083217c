import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from flows.doctor.check import Check
from flows.doctor.services import (
    check_contact,
    check_mlflow,
    check_prefect,
    check_ray,
    check_reddit,
)
from flows.recipe import load_recipe

NAMES = (
    *("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN"),
    *("MLFLOW_TRACKING_USERNAME", "praw_client_id", "praw_client_secret"),
)


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


class _HealthyButClosed(BaseHTTPRequestHandler):
    """Answers /health, and refuses every question, as MLflow does to a host it does not know."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 403)
        self.end_headers()
        self.wfile.write(b"Invalid Host header")

    do_POST = do_GET  # noqa: N815 - http.server's name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _HealthyButClosed) as closed:
        threading.Thread(target=closed.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{closed.server_address[1]}"
        closed.shutdown()


def test_a_server_that_is_healthy_and_refuses_clients_fails(monkeypatch: pytest.MonkeyPatch):
    with server() as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        monkeypatch.setenv("PREFECT_API_URL", f"{address}/api")
        for found in (check_mlflow(), check_prefect()):
            assert found.status == "fail"
            assert "403" in found.seen
            assert "Invalid Host" in found.seen
            assert found.remedy


def test_a_prefect_that_works_is_ok(monkeypatch: pytest.MonkeyPatch, prefect_server: str):
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    assert check_prefect().status == "ok"


def test_a_password_in_an_address_is_not_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    found = check_mlflow()
    assert found.status == "fail"
    assert "secret" not in str(found)


def test_nor_in_that_of_a_database(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@db/mlflow")
    found = check_mlflow()
    assert found.status == "ok"
    assert "secret" not in str(found)


def test_no_server_is_needed():
    assert check_prefect().status == check_mlflow().status == "ok"


def test_reddit_is_needed_only_by_recipes_that_harvest(monkeypatch: pytest.MonkeyPatch):
    assert check_reddit().status == "warn"
    harvesting = load_recipe("webtext", ["links.harvested=true"])
    assert check_reddit(harvesting).status == "fail"
    monkeypatch.setenv("praw_client_id", "an id")
    monkeypatch.setenv("praw_client_secret", "hush")
    found = check_reddit(harvesting)
    assert found.status == "ok"
    assert "hush" not in str(found)


def test_a_crawl_of_the_web_needs_a_contact():
    assert check_contact(load_recipe("webtext")).status == "fail"
    assert check_contact(load_recipe("demo")).status == "ok"
    assert check_contact(load_recipe("webtext", ["crawl.contact=a@b.org"])).status == "ok"


def test_ray_that_does_not_listen_fails():
    assert _names_what_to_do(check_ray("127.0.0.1:9"))
    assert check_ray("auto").status == "warn"


def _names_what_to_do(found: Check) -> bool:
    return found.status == "fail" and bool(found.remedy)


def test_the_command_says_one_thing_a_line_and_fails_if_one_fails(webtext, tmp_path: Path):
    done = webtext("doctor", "--json", "--data", str(tmp_path))
    assert done.exit_code == 0, done.out
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert {"Python", "disk", "GPUs", "Prefect", "MLflow", "locks"} <= {x["name"] for x in lines}
    assert webtext("doctor", "webtext", "--data", str(tmp_path)).exit_code == 1
