"""Credentials of the environment and addresses are written nowhere, whether a run ends or fails."""

import gzip
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from tests.flows.test_serve import Served, serve
from tests.stack.small_recipe import link_to, url, write_recipe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

NOWHERE = "127.0.0.1:9"
SECRET = "fa4e{}9a55"
NAMES = [
    *("praw_client_id", "praw_client_secret", "praw_password"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    *("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"),
    *("PGPASSWORD", "HF_TOKEN", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "RAY_AUTH_TOKEN"),
]
ADDRESSES = {
    "WEBTEXT_FAILURE_WEBHOOK": f"http://{NOWHERE}/hooks/{SECRET.format('hook')}",
    "AWS_ENDPOINT_URL": f"http://me:{SECRET.format('s3')}@{NOWHERE}",
    "MLFLOW_TRACKING_URI": f"http://me:{SECRET.format('mlflow')}@{NOWHERE}",
}
ENVIRONMENT = {name: SECRET.format(name.replace("_", "")) for name in NAMES} | ADDRESSES
# A stage that fails as libraries do: with the address that they could not reach.
FAILING = f"""
import corpus.tokens.stage as stage
def fail(*_):
    try:
        gone = OSError("no route to postgresql://me:{SECRET.format("postgres")}@db/webtext")
        raise ExceptionGroup("of all hosts", [gone])
    except ExceptionGroup as exc:
        text = "https://me:{SECRET.format("https")}@host password={SECRET.format("value")}"
        raise RuntimeError(text) from exc
stage.run = fail
"""
COMMAND = """
from flows.__main__ import main
main()
"""


def environment_in(folder: Path) -> dict[str, str]:
    """Of a process with all those secrets; what it writes anywhere, it writes to the folder."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT")}
    private = {name: str(folder / "home") for name in ("HOME", "TMPDIR")}
    (folder / "home").mkdir(exist_ok=True)
    return kept | ENVIRONMENT | private


def webtext(folder: Path, *arguments: str, code: str = "", without: str = "") -> tuple[int, str]:
    """The exit code and all that was printed."""
    environment = environment_in(folder)
    environment.pop(without, None)
    program = ["-c", code] if code else ["-m", "flows"]
    done = subprocess.run(
        [sys.executable, *program, *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def secrets_in(text: bytes) -> set[bytes]:
    """Those that stand in it; all begin and end alike."""
    begin, end = (part.encode() for part in SECRET.split("{}"))
    return {part.partition(end)[0] for part in text.split(begin)[1:] if end in part[:60]}


def leaks(folder: Path) -> dict[str, set[bytes]]:
    """Files with secrets in them, by path."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 20
    as_they_are = {path: secrets_in(path.read_bytes()) for path in files}
    # In a second pass: whoever opens a database ends its log, a file beside it.
    found = {str(path): as_they_are[path] | secrets_in(unpacked(path)) for path in files}
    return {path: names for path, names in found.items() if names}


def unpacked(path: Path) -> bytes:
    """What a file holds that cannot be seen in its bytes: compressed, or cut into pages."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".arrow":
        with pa.ipc.open_file(path) as shard:
            return str(shard.read_all().to_pydict()).encode()
    if not path.exists():
        return b""
    with path.open("rb") as file:
        is_database = file.read(16) == b"SQLite format 3\0"
    if is_database:
        with closing(sqlite3.connect(path)) as database:
            tables = database.execute(
                "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE TABLE%'"
            )
            rows = [database.execute(f'SELECT * FROM "{name}"').fetchall() for (name,) in tables]
        return str(rows).encode()
    return b""


@contextmanager
def command_lines(folder: Path) -> Iterator[set[bytes]]:
    """Those of the processes that work in the folder, as anybody on the machine can read them."""
    seen: set[bytes] = set()
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    if (process / "cwd").readlink().is_relative_to(folder):
                        seen.add((process / "cmdline").read_bytes())
                except OSError:  # it has ended
                    continue

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def test_the_scan_finds_what_is_there(tmp_path: Path):
    for number in range(21):
        (tmp_path / f"{number}").write_text("fa4e")
    assert not leaks(tmp_path)
    text = str(ENVIRONMENT)
    (tmp_path / "0").write_text(text)
    (tmp_path / "1.gz").write_bytes(
        gzip.compress(text[:99].encode()) + gzip.compress(text.encode())
    )
    table = pa.table({"text": [text]})
    with pa.OSFile(str(tmp_path / "2.arrow"), "wb") as file:
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_file(file, table.schema, options=options) as shard:
            shard.write_table(table)
    with closing(sqlite3.connect(tmp_path / "3.db")) as database:
        database.execute("PRAGMA page_size = 512")
        database.execute("CREATE TABLE log (line)")
        database.execute("INSERT INTO log VALUES (?)", [text])
        database.commit()
    found = {Path(path).name: len(names) for path, names in leaks(tmp_path).items()}
    assert found == dict.fromkeys(["0", "1.gz", "2.arrow", "3.db"], len(ENVIRONMENT))


def test_the_watch_finds_a_command_line(tmp_path: Path):
    with command_lines(tmp_path) as lines:
        subprocess.run(
            [sys.executable, "-c", "__import__('time').sleep(1) # fa4eline9a55"], cwd=tmp_path
        )
    assert secrets_in(b" ".join(lines)) == {b"line"}


def test_what_ends_and_what_fails_writes_no_credential(tmp_path: Path):
    inputs, folder = tmp_path / "inputs", tmp_path / "written"
    for each in (inputs, folder):
        each.mkdir()
    recipe = write_recipe(inputs)
    link_to(inputs, 30)
    with (inputs / "RS_1").open("a") as dump:  # a link that somebody posted with a password
        address = url(31).replace("://", f"://me:{SECRET.format('link')}@")
        dump.write(f'{{"id": "x", "url": "{address}", "score": 5, "created_utc": 1400000000}}\n')
    given = [str(recipe), "--data", "data", "--workers", "1"]
    with command_lines(folder) as lines:
        exit_code, failed = webtext(folder, "build", *given, code=FAILING + COMMAND)
        assert exit_code == 1, failed
        assert "password=***" in failed
        # MLflow in the data folder this time: its database and its artifacts are read, too.
        exit_code, ended = webtext(folder, "run", *given, without="MLFLOW_TRACKING_URI")
        assert exit_code == 0, ended
    for module in (b"flows", b"crawler.pages.process", b"model.train"):
        assert any(module in line.split(b"\0") for line in lines), module
    # What fails has its secrets from the test's own code, which is on its command line.
    others = [line for line in lines if FAILING.encode() not in line]
    assert not secrets_in(b" ".join(others))
    assert (folder / "data" / "mlflow").is_dir()
    assert not secrets_in((failed + ended).encode())
    assert not leaks(folder)


def test_serve_tells_once_what_failed_and_shows_no_credential(tmp_path: Path):
    inputs, folder, code = (tmp_path / name for name in ("inputs", "written", "code"))
    for each in (inputs, folder, code):
        each.mkdir()
    link_to(inputs, 30)
    recipe = write_recipe(inputs)
    # Python runs this first: in the processes of flows, which `serve` starts, a stage fails.
    flow_only = "import os\nif os.environ.get('PREFECT__FLOW_RUN_ID'):\n"
    (code / "sitecustomize.py").write_text(flow_only + textwrap.indent(FAILING, "    "))
    path = os.pathsep.join([str(code), str(Path.cwd())])
    environment = environment_in(folder) | {"PYTHONPATH": path}
    with serve(folder, recipe, environment=environment) as served:
        served.wait_until(lambda: "go on with" in served.said)
        said, messages = served.said, failures(served)
        served.wait_until(lambda: logged(served, "Traceback"))
        served.process.send_signal(signal.SIGTERM)
        served.process.wait(60)
    assert len(messages) >= 3, "of the stage, the build and the rebuild"
    assert all("password=***" in message for message in messages)
    assert said.count("password=***") == 1, said
    assert "Traceback" not in said, said
    assert not secrets_in(served.said.encode())
    assert not leaks(folder)


def failures(served: Served) -> list[str]:
    """Why flows and tasks failed, as Prefect's database has it."""
    runs = served.ask("flow_runs/filter") + served.ask("task_runs/filter")
    return [run["state"]["message"] for run in runs if run["state_type"] == "FAILED"]


def logged(served: Served, text: str) -> list[str]:
    """The records of runs, in Prefect's database, that hold the text."""
    return [line for each in served.ask("logs/filter") if text in (line := each["message"])]


@pytest.mark.parametrize(
    ("variable", "arguments"),
    [
        ("PREFECT_API_URL", ["build", "demo"]),
        ("AWS_ENDPOINT_URL", ["corpus", "list", "--data", "s3://bucket/data"]),
    ],
)
def test_a_server_that_is_gone_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, arguments: list[str]
):
    address = f"http://me:{SECRET.format('gone')}@{NOWHERE}/api"
    monkeypatch.setitem(ENVIRONMENT, variable, address)
    exit_code, printed = webtext(tmp_path, *arguments)
    assert exit_code == 1, printed
    assert NOWHERE in printed
    assert not secrets_in(printed.encode())
