"""A Ray of this machine does every task once, also when workers and machines are lost."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from corpus.errors import WebtextError

ray = pytest.importorskip("ray")

from corpus.ray_runner import RayRunner  # noqa: E402

pytestmark = pytest.mark.slow

PATIENCE_S = 90.0


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.05)


def square(number: int) -> int:
    return number * number


def fail(number: int) -> int:
    raise WebtextError(f"no {number}", hint="Try another.")


def fail_as_python_does(number: int) -> int:
    return [][number]


def note_and_wait(task: tuple[Path, int]) -> int:
    """Say who does it and where; end when told to."""
    folder, number = task
    with (folder / f"{number}.tries").open("a") as tries:
        tries.write(f"{os.getpid()} {ray.get_runtime_context().get_node_id()}\n")
    (folder / f"{number}.at-work").touch()
    wait_for(folder / "go")
    return number


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), str(Path.cwd())]))
        patch.delenv("RAY_ADDRESS", raising=False)
        with RayRunner(tmp_path_factory.mktemp("data"), workers=2) as found:
            yield found
    assert not ray.is_initialized()


def test_each_task_gives_one_result(runner):
    assert sorted(runner.map(square, range(20))) == [number * number for number in range(20)]


def test_workers_keep_what_they_have_over_several_rounds(runner):
    with runner.pool(2) as pool:
        pids = {pid for _ in range(3) for pid in pool.map(pid_of_worker, range(4))}
    assert len(pids) <= 2


def pid_of_worker(_number: int) -> int:
    return os.getpid()


def test_an_error_keeps_its_type_message_and_hint(runner):
    with pytest.raises(WebtextError, match="no 1") as caught:
        list(runner.map(fail, [1]))
    assert caught.value.hint == "Try another."
    with pytest.raises(IndexError, match="list index out of range"):
        list(runner.map(fail_as_python_does, [1]))


def test_a_killed_worker_s_task_is_done_again(runner, tmp_path):
    results = runner.map(note_and_wait, [(tmp_path, number) for number in range(2)])
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(list, results)
        for number in range(2):
            wait_for(tmp_path / f"{number}.at-work")
        pid = int((tmp_path / "0.tries").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        (tmp_path / "0.at-work").unlink()
        wait_for(tmp_path / "0.at-work")
        (tmp_path / "go").touch()
        assert sorted(done.result(PATIENCE_S)) == [0, 1]
        assert len((tmp_path / "0.tries").read_text().splitlines()) == 2
