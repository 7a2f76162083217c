"""`--runner ray`: what is typed makes what it makes by processes, also when workers are killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from corpus.manifest import read_manifest
from corpus.shards import read_rows
from corpus.stage import data_shards
from evaluation.evaluate import score_table
from flows.corpora.catalog import finished
from tests.flows.conftest import Webtext
from tests.processes import descendants_of, is_running, wait_until

pytest.importorskip("ray")

ROOT = str(Path(__file__).parents[2])
SMALL = [
    *("--set", "web.num_pages=150", "--set", "web.num_hosts=8"),
    *("--set", "extract.pages_per_shard=20"),
    *("--set", "tokens.vocab_size=500"),
    *("--set", "train.steps=20", "--set", "train.eval_every=10"),
    *("--set", "sample.max_new_tokens=10"),
]
STAGES_OF_BUILD = {"web", "links", "pages", "documents", "unique", "tokens", "ngrams"}
STAGES = STAGES_OF_BUILD | {"overlap", "runs", "scores", "samples"}
KILLED_IN = ["pages", "documents", "scores"]
PATIENCE_S = 240

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def start(*arguments: str) -> subprocess.Popen[str]:
    servers = ("PREFECT_API_URL", "RAY_ADDRESS")
    environment = {name: value for name, value in os.environ.items() if name not in servers}
    words = [*arguments, "--workers", "2", *SMALL]
    return subprocess.Popen(
        [sys.executable, "-m", "flows", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**environment, "PYTHONPATH": ROOT},
        # A background shell's children ignore Ctrl-C otherwise.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def finish(process: subprocess.Popen[str]) -> None:
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said


def hashes(data: Path) -> dict[str, str]:
    """Of each stage's content, by its folder."""
    folders = (path.parent for path in data.glob("*/*/manifest.json"))
    return {f"{each.parent.name}/{each.name}": read_manifest(each).hash for each in folders}


def worker_at_work(command: int) -> int | None:
    """A worker of the command's Ray that does a task: Ray puts the task's name into its title."""
    for process in descendants_of(command):
        with suppress(OSError):
            if Path(f"/proc/{process}/cmdline").read_bytes().startswith(b"ray::_run"):
                return process
    return None


def kill_workers(command: subprocess.Popen[str], data: Path, stages: Sequence[str]) -> list[str]:
    """Kill -9 a worker in each of the stages while it is at work; those where that was so."""
    caught = []
    for stage in stages:
        while command.poll() is None and not finished(data, stage):
            worker = worker_at_work(command.pid) if list(data.glob(f"{stage}/*/*")) else None
            if worker is not None:
                os.kill(worker, signal.SIGKILL)
                caught += [stage] if not finished(data, stage) else []
                break
            time.sleep(0.01)
    return caught


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `webtext demo` makes by processes."""
    data = tmp_path_factory.mktemp("alone") / "data"
    finish(start("demo", "--data", str(data)))
    return data


@pytest.fixture(scope="module")
def on_ray(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What it makes on a Ray of two workers, of which up to three were killed on the way."""
    data = tmp_path_factory.mktemp("on_ray") / "data"
    command = start("demo", "--data", str(data), "--runner", "ray")
    try:
        caught = kill_workers(command, data, KILLED_IN)
        finish(command)
    finally:
        command.kill()
    assert caught, "the test came too late, in every stage"
    return data


def test_a_demo_whose_workers_are_killed_makes_the_same_bytes_in_every_stage(alone, on_ray):
    assert {folder.partition("/")[0] for folder in hashes(alone)} == STAGES
    assert hashes(on_ray) == hashes(alone)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_build_leaves_no_ray_behind_and_goes_on(
    alone: Path, tmp_path: Path, number: signal.Signals
):
    command = start("build", "demo", "--data", str(tmp_path), "--runner", "ray")
    try:
        while not (list(tmp_path.glob("documents/*/documents-*")) and worker_at_work(command.pid)):
            assert command.poll() is None, command.communicate()[0]
            time.sleep(0.01)
        started = descendants_of(command.pid)
        command.send_signal(number)
        said, _ = command.communicate(timeout=PATIENCE_S)
    finally:
        command.kill()
    assert command.returncode == 130, said
    assert "Stopped. Run the same command again" in said
    wait_until(lambda: not any(map(is_running, started)))
    finish(start("build", "demo", "--data", str(tmp_path), "--runner", "ray"))
    built, expected = hashes(tmp_path), hashes(alone)
    assert {folder.partition("/")[0] for folder in built} == STAGES_OF_BUILD
    assert built.items() <= expected.items()


def test_overlap_finds_the_same_matches(
    alone: Path, on_ray: Path, webtext: Webtext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PYTHONPATH", ROOT)
    (unique, _), (tokens, _) = (finished(alone, stage)[-1] for stage in ("unique", "tokens"))
    (tmp_path / "copied.txt").write_text(next(read_rows(data_shards(unique)[0]))["text"])
    given = ("overlap", str(tokens), "--texts", "copied.txt", "--exact")
    for data, runner in ((alone, "process"), (on_ray, "ray")):
        done = webtext(*given, "--data", str(data), "--runner", runner)
        assert done.exit_code == 0, done.err
    [(_, found)] = finished(on_ray, "matches")
    assert found.counts.out > 0
    assert hashes(on_ray) == hashes(alone)


def test_a_model_has_the_same_scores(
    alone: Path, on_ray: Path, benchmarks: Path, webtext: Webtext, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PYTHONPATH", ROOT)
    run = finished(alone, "runs")[-1][0]
    # A task of each kind: a text's last word, a choice, a written answer.
    tasks = ("--tasks", "lambada,wsc273,nq_open", "--limit", "4", "--benchmarks", str(benchmarks))
    for data, runner in ((alone, "process"), (on_ray, "ray")):
        done = webtext("evaluate", str(run), *tasks, "--data", str(data), "--runner", runner)
        assert done.exit_code == 0, done.err
    folders = [finished(data, "scores")[-1][0] for data in (alone, on_ray)]
    assert {row.task for row in score_table(folders[0])} == {"lambada", "wsc273", "nq_open"}
    assert score_table(folders[1]) == score_table(folders[0])
    assert hashes(on_ray) == hashes(alone)
