"""Services of docker-compose.yml as processes of this machine: same commands, same environment.

PostgreSQL and the S3 store are what this machine has; addresses are loopback's, ports free ones.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.corpus.s3_server import s3_server
from tests.stack.compose_file import ROOT, services
from tests.stack.native_stack import Service, find_program, free_port

SECRETS = {"PG_PASSWORD": "pg5ecret", "S3_ACCESS_KEY": "s3acce55", "S3_SECRET_KEY": "s35ecret"}
_MODULES = {"prefect": "prefect", "mlflow": "mlflow", "webtext": "flows"}


@dataclass
class NativeCompose:
    """The file's services, and where their addresses lie on this machine."""

    folder: Path
    services: dict[str, dict[str, Any]]
    addresses: dict[str, str] = field(default_factory=dict)
    """What the file says -> what is true here."""
    more: dict[str, dict[str, str]] = field(default_factory=dict)
    """Variables of a service that only this machine needs."""

    def native(self, text: str) -> str:
        """A word of a command, or a value, with the addresses of this machine."""
        there = "|".join(map(re.escape, self.addresses))
        return re.sub(there, lambda found: self.addresses[found[0]], text)

    def environment(self, name: str) -> dict[str, str]:
        """A service's own; of ours only what finds the programs."""
        base = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        base["PYTHONPATH"] = str(ROOT)
        given = self.services[name].get("environment", {})
        native = {key: self.native(value) for key, value in given.items()}
        return base | native | self.more.get(name, {})

    def command(self, name: str) -> list[str]:
        """Entry point and arguments."""
        service = self.services[name]
        program, *words = [*service.get("entrypoint", ["webtext"]), *service["command"]]
        return [*_program(program), *(self.native(word) for word in words)]

    def check(self, name: str, *more: str) -> subprocess.CompletedProcess[str]:
        """Run its health check once."""
        _, program, *words = self.services[name]["healthcheck"]["test"]
        command = [*_program(program), *(self.native(word) for word in words), *more]
        return self._run(name, command)

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run a service that ends."""
        return self._run(name, self.command(name))

    def dump(self, database: str) -> bytes:
        """A database of PostgreSQL as text."""
        given = self.environment("postgres")
        program = find_program("pg_dump") or "pg_dump"
        command = [program, "--username", given["POSTGRES_USER"], database]
        return subprocess.run(command, env=given, check=True, capture_output=True).stdout

    def service(self, name: str) -> Service:
        """A server, not yet started; ready when its health check says so."""
        return Service(
            name=name,
            command=self.command(name),
            environment=self.environment(name),
            log=self.folder / f"{name}.log",
            is_ready=lambda: self.check(name).returncode == 0,
        )

    def _run(self, name: str, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self.environment(name),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )


@contextmanager
def native_compose(folder: Path, recipe: str) -> Iterator[tuple[NativeCompose, ExitStack]]:
    """PostgreSQL and S3 running; callers start the rest, which ends with the context.

    Args:
        folder: For logs and caches.
        recipe: Of the service `deploy`.
    """
    compose = NativeCompose(folder, services({**SECRETS, "WEBTEXT_RECIPE": recipe}))
    with ExitStack() as running:
        home = Path(tempfile.mkdtemp(prefix="webtext-pg-", dir="/tmp"))
        running.callback(shutil.rmtree, home, ignore_errors=True)
        ports = {name: free_port() for name in ("postgres", "prefect", "mlflow", "worker")}
        s3_url = running.enter_context(s3_server())
        compose.addresses = {
            "http://prefect:4200": f"http://127.0.0.1:{ports['prefect']}",
            "http://mlflow:5000": f"http://127.0.0.1:{ports['mlflow']}",
            "http://s3:8333": s3_url,
            "@postgres/": f"@127.0.0.1:{ports['postgres']}/",
            "127.0.0.1:4200": f"127.0.0.1:{ports['prefect']}",
            "127.0.0.1:5000": f"127.0.0.1:{ports['mlflow']}",
            "127.0.0.1:8080": f"127.0.0.1:{ports['worker']}",
            "--port=5000": f"--port={ports['mlflow']}",
            "--workers=2": "--workers=1",
            "0.0.0.0": "127.0.0.1",
            "/cache": str(folder / "cache"),
            "/tmp": str(folder / "tmp"),
        }
        server = compose.services["prefect"]
        server["command"] = [
            str(ports["prefect"]) if word == "4200" else word for word in server["command"]
        ]
        compose.more["worker"] = {"PREFECT_WORKER_WEBSERVER_PORT": str(ports["worker"])}
        postgres = _postgres(compose, home, ports["postgres"])
        running.callback(postgres.kill)
        postgres.start()
        yield compose, running


def _postgres(compose: NativeCompose, home: Path, port: int) -> Service:
    """As the image does: a database, then the scripts of docker-entrypoint-initdb.d."""
    given = compose.environment("postgres")
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(home, user)
    (home / "password").write_text(given["POSTGRES_PASSWORD"])
    (home / "password").chmod(0o644)
    initdb, server = find_program("initdb"), find_program("postgres")
    assert initdb
    assert server
    initialise = [initdb, "-D", home / "data", "-U", given["POSTGRES_USER"]]
    authentication = [
        "--auth-host=scram-sha-256",
        "--auth-local=trust",
        f"--pwfile={home}/password",
    ]
    subprocess.run(
        [*initialise, *authentication], check=True, capture_output=True, user=user, cwd=home
    )
    options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": home}
    settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    compose.more["postgres"] = {"PGHOST": str(home), "PGPORT": str(port)}
    return Service(
        name="postgres",
        command=[server, "-D", str(home / "data"), *settings],
        environment=given,
        log=compose.folder / "postgres.log",
        is_ready=lambda: _with_databases(compose),
        user=user,
    )


def _with_databases(compose: NativeCompose) -> bool:
    if compose.check("postgres").returncode == 0:
        return True
    given = compose.environment("postgres")
    client = [*_program("psql"), "--username", given["POSTGRES_USER"]]
    database = given["POSTGRES_DB"]
    script = str(ROOT / "docker" / "create-mlflow.sql")
    for words in (
        ["--dbname=postgres", f"--command=CREATE DATABASE {database}"],
        [f"--dbname={database}", f"--file={script}"],
    ):
        subprocess.run([*client, *words], env=given, capture_output=True, check=False)
    return False


def _program(name: str) -> list[str]:
    if name in _MODULES:
        return [sys.executable, "-m", _MODULES[name]]
    return [sys.executable] if name == "python" else [find_program(name) or name]
