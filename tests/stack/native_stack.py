"""The services of docker-compose.yml as processes of this machine: on loopback, on free ports."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2

from tests.corpus.s3_server import KEYS, make_bucket, s3_server

USER, PASSWORD = "webtext", "pa-55word"
BUCKET = "webtext"
_READY_S = 120.0


@dataclass
class Service:
    """A server that can be killed, and started again at the same address."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    is_ready: Callable[[], bool]
    user: str | None = None
    process: subprocess.Popen | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self.user,
                group=self.user and _group_of(self.user),
                extra_groups=[] if self.user else None,
            )
        for _ in wait(f"{self.name} answers", _READY_S):
            if self.is_ready():
                return
            assert self.process.poll() is None, f"{self.name} ended:\n{self.end_of_log()}"

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send the signal to it and all that it started, and wait for its end."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            self.process.wait()
            self.process = None

    def end_of_log(self) -> str:
        """What it said last."""
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""


@dataclass
class NativeStack:
    """The services, and what a command needs to know to use them."""

    folder: Path
    postgres: Service
    prefect: Service
    mlflow: Service
    environment: dict[str, str]
    """Of commands that use all of them."""

    def worker(self, pool: str, **environment: str) -> Service:
        """A worker of a pool, not yet started."""
        return Service(
            name=f"worker of {pool}",
            command=[*_module("prefect"), "worker", "start", "--pool", pool, "--type", "process"],
            environment=self.environment | environment,
            log=self.folder / f"worker-{pool}.log",
            is_ready=lambda: True,
        )


def wait(until: str, seconds: float = 240.0, every_s: float = 0.5) -> Iterator[None]:
    """Turns of a loop that waits.

    Args:
        until: What is waited for.
        seconds: How long at most.
        every_s: Between two turns.

    Raises:
        AssertionError: it was not left in that time.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(every_s)
    raise AssertionError(f"not within {seconds:.0f} s: {until}")


def find_program(name: str) -> str | None:
    """A program of PostgreSQL, which Debian does not put on the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(found[-1]) if found else None)


@contextmanager
def native_stack(folder: Path) -> Iterator[NativeStack]:
    """Start PostgreSQL, S3, Prefect and MLflow; all end with the context.

    Args:
        folder: For logs and MLflow's artifacts.
    """
    base = _environment()
    with ExitStack() as running:
        # PostgreSQL refuses to run as root, and its folder has to be its user's from / on.
        home = Path(tempfile.mkdtemp(prefix="webtext-pg-", dir="/tmp"))
        running.callback(shutil.rmtree, home, ignore_errors=True)
        postgres, port = _postgres(home, folder, base)
        _start(postgres, running)
        with connect(port, "postgres") as connection, connection.cursor() as cursor:
            connection.rollback()
            connection.autocommit = True
            for name in ("prefect", "mlflow"):
                cursor.execute(f"CREATE DATABASE {name}")
        prefect, prefect_url = _prefect(folder, base, port)
        mlflow, mlflow_url = _mlflow(folder, base, port)
        for service in (prefect, mlflow):
            _start(service, running)
        s3_url = running.enter_context(s3_server())
        make_bucket(s3_url, BUCKET)
        environment = {
            **base,
            **KEYS,
            "AWS_ENDPOINT_URL": s3_url,
            "PREFECT_API_URL": prefect_url,
            "PREFECT_HOME": str(folder / "prefect"),
            "MLFLOW_TRACKING_URI": mlflow_url,
        }
        yield NativeStack(folder, postgres, prefect, mlflow, environment)


@contextmanager
def connect(port: int, database: str) -> Iterator[psycopg2.extensions.connection]:
    """A connection that is closed at the end."""
    connection = psycopg2.connect(
        host="127.0.0.1", port=port, user=USER, password=PASSWORD, dbname=database
    )
    try:
        yield connection
    finally:
        connection.close()


def call(url: str, body: bytes | None = None, **headers: str) -> bytes:
    """GET, or POST of JSON."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _start(service: Service, running: ExitStack) -> None:
    running.callback(service.kill)
    service.start()


def _postgres(home: Path, folder: Path, base: Mapping[str, str]) -> tuple[Service, int]:
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(home, user)
    (home / "password").write_text(PASSWORD)
    (home / "password").chmod(0o644)
    initdb, server = find_program("initdb"), find_program("postgres")
    assert initdb
    assert server
    data = home / "data"
    subprocess.run(
        [initdb, "-D", data, "-U", USER, "--auth=scram-sha-256", f"--pwfile={home}/password"],
        check=True,
        capture_output=True,
        user=user,
        cwd=home,
    )
    port = free_port()
    options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": home}
    settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]

    def is_ready() -> bool:
        with suppress(psycopg2.OperationalError), connect(port, "postgres"):
            return True
        return False

    log = folder / "postgres.log"
    return Service(
        "PostgreSQL", [server, "-D", str(data), *settings], base, log, is_ready, user
    ), port


def _prefect(folder: Path, base: Mapping[str, str], postgres_port: int) -> tuple[Service, str]:
    port = free_port()
    database = f"postgresql+asyncpg://{USER}:{PASSWORD}@127.0.0.1:{postgres_port}/prefect"
    environment = {
        **base,
        "PREFECT_HOME": str(folder / "prefect-server"),
        "PREFECT_API_DATABASE_CONNECTION_URL": database,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # No second of the tests is spent on waiting for the next look at the schedules.
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
    }
    command = [*_module("prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    url = f"http://127.0.0.1:{port}/api"
    ask = lambda: _answers(f"{url}/flow_runs/count", b"{}")  # noqa: E731
    return Service("Prefect", command, environment, folder / "prefect.log", ask), url


def _mlflow(folder: Path, base: Mapping[str, str], postgres_port: int) -> tuple[Service, str]:
    port = free_port()
    command = [
        *(*_module("mlflow"), "server", "--host=127.0.0.1", f"--port={port}", "--workers=1"),
        f"--backend-store-uri=postgresql+psycopg2://{USER}:{PASSWORD}@127.0.0.1:{postgres_port}/mlflow",
        f"--artifacts-destination={folder / 'artifacts'}",
        f"--allowed-hosts=127.0.0.1:{port}",
    ]
    url = f"http://127.0.0.1:{port}"
    ask = lambda: _answers(f"{url}/api/2.0/mlflow/experiments/search", b'{"max_results": 1}')  # noqa: E731
    return Service("MLflow", command, base, folder / "mlflow.log", ask), url


def _answers(url: str, body: bytes) -> bool:
    try:
        call(url, body)
    except (OSError, urllib.error.HTTPError):
        return False
    return True


def _environment() -> dict[str, str]:
    left_out = ("PREFECT", "MLFLOW", "AWS", "RAY", "WEBTEXT")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
    # Programs of the same environment come first: workers start `python` by name.
    kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    quiet = {"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
    # Seven processes of MLflow's, for jobs that nobody gives it.
    return {**kept, **quiet, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", name]


def _group_of(user: str) -> str:
    return user
