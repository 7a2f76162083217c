"""Servers that go away, a worker that is killed, a full disk, a clock that jumps: work goes on.

Every run ends right, or says what is wrong and goes on when it is started again.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from corpus.manifest import MANIFEST
from flows.watch_runs import process_is_gone
from tests.processes import descendants_of
from tests.stack.asked_servers import mlflow_runs, prefect
from tests.stack.jumping_clock import COMPILER, JumpingClock
from tests.stack.native_stack import NativeStack, call, wait
from tests.stack.small_recipe import link_to, write_recipe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WEBTEXT = [sys.executable, "-m", "flows"]


class Run:
    """`webtext run` beside the test, which can wait until it has come to a stage."""

    def __init__(self, recipe: Path, environment: dict[str, str]) -> None:
        self.data = recipe.parent / "data"
        self._log = recipe.parent / "run.log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [*WEBTEXT, "run", str(recipe), "--data", str(self.data)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_for(self, stage: str) -> None:
        for _ in wait(f"a finished stage {stage}", 120, every_s=0.05):
            if list(self.data.glob(f"{stage}/*/{MANIFEST}")):
                return
            assert self.process.poll() is None, self.said()

    def end(self) -> int:
        return self.process.wait(timeout=240)

    def said(self) -> str:
        return self._log.read_text()


Start = Callable[..., Run]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Of a name that no other test has: they share the servers."""
    link_to(tmp_path, 40)
    return write_recipe(tmp_path, name=f"small{time.time_ns()}")


@pytest.fixture
def start(stack: NativeStack, recipe: Path) -> Start:
    """Start the recipe, with further variables of the environment."""
    return lambda **more: Run(recipe, stack.environment | more)


def ends_right(run: Run, start: Start) -> None:
    """It is done, or failed without a traceback and is done the second time: every byte right."""
    if run.end() != 0:
        assert "Traceback" not in run.said(), run.said()
        assert "rror" in run.said()
        run = start()
        assert run.end() == 0, run.said()
    [corpus] = re.findall(r"^corpus +(\w{16})$", run.said(), re.MULTILINE)
    verify = [*WEBTEXT, "corpus", "verify", corpus, "--data", str(run.data)]
    subprocess.run(verify, check=True)


def test_postgresql_restarts(stack: NativeStack, start: Start):
    run = start()
    run.wait_for("pages")
    stack.postgres.kill(signal.SIGQUIT)  # PostgreSQL's "immediate": no connection is waited for
    stack.postgres.start()
    ends_right(run, start)


def test_prefect_is_gone_for_a_minute(stack: NativeStack, start: Start):
    run = start()
    run.wait_for("pages")
    stack.prefect.kill()
    time.sleep(60)
    stack.prefect.start()
    ends_right(run, start)


def test_mlflow_is_gone_for_a_whole_run(stack: NativeStack, start: Start, recipe: Path):
    stack.mlflow.kill()
    run = start()
    assert run.end() == 0, run.said()
    stack.mlflow.start()
    run = start()
    assert run.end() == 0, run.said()
    assert stack.environment["MLFLOW_TRACKING_URI"] in run.said()
    found = mlflow_runs(stack, f"tags.recipe = '{recipe.stem}'")
    assert {tags.get("kind") for tags in found} >= {"train", "scores"}


def test_a_run_whose_worker_is_killed_goes_on_at_another(stack: NativeStack, recipe: Path):
    name, data = recipe.stem, recipe.parent / "data"
    deploy = ["deploy", str(recipe), "--pool", name, "--data", str(data)]
    subprocess.run([*WEBTEXT, *deploy], env=stack.environment, check=True)
    worker = stack.worker(name)
    worker.start()
    try:
        for _ in wait("pages of a scheduled rebuild", 180, every_s=0.1):
            if list(data.glob(f"pages/*/{MANIFEST}")):
                break
        assert worker.process
        family = descendants_of(worker.process.pid)
        worker.kill()
        for process in family:
            if Path(f"/proc/{process}").exists():
                os.kill(process, signal.SIGKILL)
        worker.start()
        rebuilds = {"tags": {"all_": [f"recipe:{name}"]}, "name": {"like_": "rebuild_corpus"}}
        again = []
        for _ in wait("the run that was killed ends", 300):
            runs = prefect(stack, "flow_runs/filter", flow_runs=rebuilds)
            again = [run for run in runs if run["run_count"] > 1 and run["end_time"]]
            if again:
                break
    finally:
        worker.kill()
    assert [run["state_type"] for run in again] == ["COMPLETED"]
    url = f"{stack.environment['PREFECT_API_URL']}/flow_run_states/?flow_run_id={again[0]['id']}"
    said = [state["message"] for state in orjson.loads(call(url))]
    assert said.count(process_is_gone().message) == 1, "it is not counted as what it is"
    assert list(data.glob(f"tokens/*/{MANIFEST}"))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
def test_a_full_disk_is_named_and_room_lets_it_go_on(stack: NativeStack, recipe: Path):
    """In a mount namespace of its own, where the data folder is a disk that grows."""
    data = recipe.parent / "data"
    data.mkdir()
    run = f"{' '.join(WEBTEXT)} run {recipe} --data {data}"
    script = f"""
        mount -t tmpfs -o size=300k tmpfs {data}
        {run}; echo "first: $?"
        mount -o remount,size=1g {data}
        {run}; echo "second: $?"
    """
    unshare = ["unshare", "--mount", "bash", "-c", script]
    done = subprocess.run(unshare, env=stack.environment, capture_output=True, text=True)
    assert "first: 1" in done.stdout, done
    assert "second: 0" in done.stdout, done
    assert "Traceback" not in done.stderr
    assert "disk" in done.stderr.lower()


@pytest.mark.skipif(COMPILER is None, reason="no C compiler: apt-get install gcc")
@pytest.mark.parametrize("seconds", [3600, -3600])
def test_the_clock_jumps_by_an_hour(start: Start, recipe: Path, seconds: int):
    clock = JumpingClock(recipe.parent)
    run = start(**clock.environment)
    run.wait_for("pages")
    clock.jump(seconds)
    ends_right(run, start)
