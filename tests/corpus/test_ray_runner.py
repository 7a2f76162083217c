"""A Ray of this machine: every task once, errors come through, killed workers cost nothing."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from corpus.errors import UsageError, WebtextError
from tests.corpus.ray_tasks import PATIENCE_S, note_and_wait, tries_of, wait_until

ray = pytest.importorskip("ray")

from corpus.ray_runner import RayRunner  # noqa: E402

pytestmark = pytest.mark.slow

ROOT = str(Path(__file__).parents[2])


def square(number: int) -> int:
    return number * number


def pid_of_worker(_number: int) -> int:
    return os.getpid()


def fail(number: int) -> int:
    raise WebtextError(f"no {number}", hint="Try another.")


def fail_as_python_does(number: int) -> int:
    return [0][number]


def sleep_on(folder: Path) -> None:
    (folder / "asleep").touch()
    try:
        while True:  # Ray interrupts a task between two steps of the interpreter, not in C
            time.sleep(0.1)
    finally:
        (folder / "woken").touch()


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), ROOT]))
        patch.delenv("RAY_ADDRESS", raising=False)
        with RayRunner(tmp_path_factory.mktemp("data"), workers=2) as found:
            yield found
    assert not ray.is_initialized()


def test_each_task_gives_one_result(runner):
    assert sorted(runner.map(square, range(20))) == [number * number for number in range(20)]


def test_workers_keep_what_they_have_over_several_rounds(runner):
    with runner.pool(2) as pool:
        first, second = (set(pool.map(pid_of_worker, range(8))) for _ in range(2))
    assert first & second


def test_an_error_keeps_its_type_message_and_hint(runner):
    with pytest.raises(WebtextError, match="no 1") as caught:
        list(runner.map(fail, [1]))
    assert caught.value.hint == "Try another."
    with pytest.raises(IndexError, match="list index out of range"):
        list(runner.map(fail_as_python_does, [1]))


def test_a_killed_worker_s_task_is_done_again(runner, tmp_path):
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(
            list, runner.map(note_and_wait, [(tmp_path, number) for number in range(2)])
        )
        wait_until(lambda: tries_of(tmp_path, 0) and tries_of(tmp_path, 1), "both at work")
        os.kill(tries_of(tmp_path, 0)[0][0], signal.SIGKILL)
        wait_until(lambda: len(tries_of(tmp_path, 0)) == 2, "a second try")
        (tmp_path / "go").touch()
        assert sorted(done.result(PATIENCE_S)) == [0, 1]
    assert len(tries_of(tmp_path, 1)) == 1


def test_a_task_that_nobody_follows_any_more_is_given_up(runner, tmp_path):
    following = runner.follow(sleep_on, tmp_path)
    while not (tmp_path / "asleep").exists():
        next(following)
    following.close()
    wait_until((tmp_path / "woken").exists, "the end of the task")


def test_a_machine_that_does_not_see_the_folder_is_named(runner, monkeypatch, tmp_path):
    monkeypatch.setattr("corpus.ray_runner._look", lambda _: (False, {}))
    with pytest.raises(UsageError, match="does not see the data folder") as caught:
        RayRunner(tmp_path, workers=2)
    assert "mount" in caught.value.hint
    assert not list(tmp_path.iterdir())


FOLLOW_MANY = """
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from corpus.ray_runner import RayRunner

with RayRunner(Path(), workers=2) as runner, ThreadPoolExecutor(4) as threads:
    list(threads.map(lambda number: list(runner.follow(abs, number)), range(300)))
"""


def test_an_answer_that_is_just_arriving_is_not_cancelled(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", ROOT)
    # In a process of its own, which Ray aborts if it is.
    done = subprocess.run(
        [sys.executable, "-c", FOLLOW_MANY], cwd=tmp_path, capture_output=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
