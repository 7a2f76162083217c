"""docker-compose.yml in containers, where there is an engine and `docker compose build` was run."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from tests.stack.compose_file import ROOT
from tests.stack.native_compose import SECRETS
from tests.stack.native_stack import call, free_port, wait
from tests.stack.small_recipe import link_to, write_recipe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

_PROJECT = "webtext-test"
_INSIDE = {"s3": 8333, "prefect": 4200, "mlflow": 5000}
_FILES = ("deploy", "worker", "webtext")
_DATA = "s3://webtext/data"


@dataclass
class Containers:
    """The project, under a name, ports and files of its own."""

    override: Path
    ports: dict[str, int]

    def compose(self, *words: str) -> str:
        """What `docker compose` prints."""
        files = ["-f", ROOT / "docker-compose.yml", "-f", self.override]
        done = subprocess.run(
            ["docker", "compose", "--project-name", _PROJECT, *files, *words],
            env={**os.environ, **SECRETS, "WEBTEXT_RECIPE": "/files/small.toml"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def states(self) -> dict[str, dict]:
        """What is known of each service's container."""
        lines = self.compose("ps", "--all", "--format", "json").splitlines()
        return {each["Service"]: each for each in map(orjson.loads, lines)}

    def prefect(self, path: str, **body: object) -> list[dict]:
        """A POST to Prefect's API."""
        url = f"http://127.0.0.1:{self.ports['prefect']}/api/{path}"
        return orjson.loads(call(url, orjson.dumps(body)))


def _why_not() -> str:
    """Why there can be no containers here; empty: there can."""
    if shutil.which("docker") is None:
        return "there is no docker"
    answers = {
        "info": "no engine answers docker",
        "compose version": "docker has no compose",
        "image inspect webtext:local": "there is no image webtext:local: docker compose build",
    }
    for words, reason in answers.items():
        if subprocess.run(["docker", *words.split()], capture_output=True).returncode:
            return reason
    return ""


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    if reason := _why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("containers")
    started = Containers(folder / "override.yml", {name: free_port() for name in _INSIDE})
    started.override.write_text(_override(started.ports, _files(folder / "files")))
    try:
        started.compose("up", "--detach")
        yield started
    finally:
        started.compose("down", "--volumes", "--timeout", "10")


def _override(ports: dict[str, int], files: Path) -> str:
    published = {
        name: f"ports: !override ['127.0.0.1:{port}:{_INSIDE[name]}']"
        for name, port in ports.items()
    }
    mounted = dict.fromkeys(_FILES, f"volumes: !override ['cache:/cache', '{files}:/files:ro']")
    rows = [f"  {name}: {{{text}}}" for name, text in (published | mounted).items()]
    return "\n".join(["services:", *rows, ""])


def _files(folder: Path) -> Path:
    """The small recipe as the containers see it; they are other users than we."""
    folder.mkdir()
    recipe = write_recipe(folder)
    link_to(folder, 30)
    recipe.write_text(
        recipe.read_text().replace(str(folder), "/files").replace("* * * * *", "0 3 1 1 *")
    )
    for path in (*folder.parents, folder, *folder.rglob("*")):
        if path.is_relative_to(folder.parents[2]):
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
    return folder


def test_all_are_well_and_what_ends_has_ended_well(containers: Containers):
    states: dict[str, dict] = {}
    for _ in wait("all are well", 120):
        states = containers.states()
        if all(each["Health"] in ("", "healthy") for each in states.values()):
            break
    ended = {name: each["ExitCode"] for name, each in states.items() if each["State"] == "exited"}
    assert ended == {"bucket": 0, "deploy": 0}
    assert {name for name, each in states.items() if each["Health"] == "healthy"} == {
        *("postgres", "s3", "prefect", "mlflow", "worker")
    }


def test_a_rebuild_its_training_and_its_scores_are_found_by_hash(containers: Containers):
    deployments = containers.prefect(
        "deployments/filter", flows={"name": {"any_": ["rebuild_corpus"]}}
    )
    containers.prefect(f"deployments/{deployments[0]['id']}/create_flow_run")
    corpus = ""
    for _ in wait("the scores of a new corpus", 400):
        runs = containers.prefect(
            "flow_runs/filter", flow_runs={"tags": {"all_": ["recipe:small"]}}
        )
        failed = [each["name"] for each in runs if each["state_type"] in ("FAILED", "CRASHED")]
        assert not failed, containers.compose("logs", "--tail", "200", "worker")
        done = {each["name"]: each for each in runs if each["state_type"] == "COMPLETED"}
        if "evaluate_run small" in done:
            tags = done["evaluate_run small"]["tags"]
            (corpus,) = [tag[len("corpus:") :] for tag in tags if tag.startswith("corpus:")]
            break
    mlflow = f"http://127.0.0.1:{containers.ports['mlflow']}/api/2.0/mlflow/runs/search"
    asked = {"experiment_ids": ["1"], "filter": f"tags.corpus_hash = '{corpus}'"}
    # It refuses to be called by the test's port.
    found = orjson.loads(call(mlflow, orjson.dumps(asked), Host="127.0.0.1:5000"))["runs"]
    kinds = {tag["value"] for run in found for tag in run["data"]["tags"] if tag["key"] == "kind"}
    assert kinds >= {"corpus", "train", "scores"}
    shown = containers.compose("run", "--rm", "webtext", "corpus", "list", "--data", _DATA)
    assert corpus in shown


def test_nobody_is_root_or_listens_to_the_network(containers: Containers):
    for name, state in containers.states().items():
        hosts = {each["URL"] for each in state["Publishers"] or [] if each["PublishedPort"]}
        assert hosts <= {"127.0.0.1"}
        looked = subprocess.run(["docker", "inspect", state["ID"]], capture_output=True, check=True)
        (found,) = orjson.loads(looked.stdout)
        assert found["HostConfig"]["ReadonlyRootfs"]
        assert found["HostConfig"]["CapDrop"] == ["ALL"]
        assert name == "s3" or found["Config"]["User"] not in ("", "root", "0")


def test_what_was_made_is_there_after_a_restart(containers: Containers):
    before = containers.prefect("flow_runs/filter")
    containers.compose("restart", "postgres", "prefect", "worker")
    after = []
    for _ in wait("Prefect after a restart", 120):
        if containers.states()["prefect"]["Health"] == "healthy":
            after = containers.prefect("flow_runs/filter")
            break
    assert {each["id"] for each in before} <= {each["id"] for each in after}
