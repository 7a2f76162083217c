"""What docker-compose.yml starts and how it looks whether that is well, without containers."""

import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import orjson
import pytest

from tests.stack.native_compose import SECRETS, NativeCompose, native_compose
from tests.stack.native_stack import Service, call, find_program, wait

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        find_program("postgres") is None,
        reason="no PostgreSQL on this machine: apt-get install postgresql",
    ),
]


@pytest.fixture(scope="module")
def started(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[NativeCompose, dict[str, Service]]]:
    """All of them, in the order of depends_on."""
    folder = tmp_path_factory.mktemp("compose")
    with native_compose(folder, recipe="demo") as (compose, running):
        made = compose.run("bucket")
        assert made.returncode == 0, made.stderr
        servers = {name: _start(compose, name, running) for name in ("prefect", "mlflow")}
        deployed = compose.run("deploy")
        assert deployed.returncode == 0, deployed.stderr
        servers["worker"] = _start(compose, "worker", running)
        yield compose, servers


def _start(compose: NativeCompose, name: str, running: ExitStack) -> Service:
    server = compose.service(name)
    running.callback(server.kill)
    server.start()  # until its health check is content
    return server


def prefect(compose: NativeCompose, path: str, **body: object) -> list[dict]:
    url = f"{compose.native('http://prefect:4200/api')}/{path}"
    return orjson.loads(call(url, orjson.dumps(body)))


def test_the_worker_runs_what_was_deployed(started):
    compose, _ = started
    deployments = {each["name"]: each["id"] for each in prefect(compose, "deployments/filter")}
    assert set(deployments) == {"demo"}
    found = prefect(compose, "deployments/filter", flows={"name": {"any_": ["look_for_news"]}})
    prefect(compose, f"deployments/{found[0]['id']}/create_flow_run")
    states = set()
    for _ in wait("look_for_news ended", 120):
        runs = prefect(compose, "flow_runs/filter")
        states = {run["state_type"] for run in runs if run["name"].startswith("look_for_news")}
        if states & {"COMPLETED", "FAILED", "CRASHED"}:
            break
    assert "COMPLETED" in states


def test_the_bucket_is_made_once_and_found_again(started):
    compose, _ = started
    assert compose.run("bucket").returncode == 0


def test_mlflow_is_ill_when_it_refuses_clients(started):
    compose, _ = started
    address = compose.native("http://mlflow:5000")
    assert call(f"{address}/health") == b"OK"
    refused = compose.check("mlflow", "--host=elsewhere:5000")
    assert refused.returncode == 1
    assert "403" in refused.stderr


@pytest.mark.parametrize("is_its_own", [True, False])
def test_only_its_own_pages_use_prefect(started, is_its_own: bool):
    compose, _ = started
    url = f"{compose.native('http://prefect:4200/api')}/flow_runs/filter"
    page = compose.native("http://127.0.0.1:4200") if is_its_own else "https://evil.example"
    headers = {"Origin": page, "Access-Control-Request-Method": "POST"}
    with suppress(urllib.error.HTTPError):
        request = urllib.request.Request(url, headers=headers, method="OPTIONS")
        answer = urllib.request.urlopen(request, timeout=10)
        answer.close()
        assert (answer.headers["Access-Control-Allow-Origin"] == page) == is_its_own
        return
    assert not is_its_own


def test_no_secret_is_seen_among_the_processes(started):
    _, servers = started
    groups = {server.process.pid for server in servers.values() if server.process}
    lines = []
    for each in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.getpgid(int(each.name)) in groups:
                lines.append((each / "cmdline").read_text(errors="replace"))
    assert len(lines) >= len(groups)
    assert not [line for line in lines for secret in SECRETS.values() if secret in line]


def test_no_secret_is_in_a_log_a_cache_or_a_database(started):
    compose, _ = started
    written = [path.read_bytes() for path in compose.folder.rglob("*") if path.is_file()]
    dumps = [compose.dump("prefect"), compose.dump("mlflow")]
    assert b"look_for_news" in dumps[0]
    for text in (*written, *dumps):
        assert not [secret for secret in SECRETS.values() if secret.encode() in text]


def test_who_is_gone_is_ill(started):
    compose, servers = started
    for name in ("mlflow", "worker", "prefect"):
        servers[name].kill()
        assert compose.check(name).returncode == 1


def test_a_store_that_is_gone_is_named(started):
    compose, _ = started
    compose.more["bucket"] = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    failed = compose.run("bucket")
    assert failed.returncode == 1
    assert "http://127.0.0.1:9" in failed.stderr
