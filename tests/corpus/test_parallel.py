"""Worker processes: every result once, errors come through, nobody is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from corpus.errors import WebtextError
from corpus.parallel import map_in_processes


def square(number: int) -> int:
    return number * number


def fail(number: int) -> int:
    raise WebtextError(f"no {number}", hint="Try another.")


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_each_task_gives_one_result():
    assert sorted(map_in_processes(square, iter(range(20)), workers=2)) == [
        number * number for number in range(20)
    ]


def test_an_error_in_a_worker_keeps_its_message_and_hint():
    with pytest.raises(WebtextError, match="no 1") as caught:
        list(map_in_processes(fail, [1], workers=1))
    assert caught.value.hint == "Try another."


def test_a_killed_worker_is_an_error_that_says_what_to_do():
    with pytest.raises(WebtextError, match="worker process was killed"):
        list(map_in_processes(die, [1, 2], workers=1))


_PARENT = """
import os, sys, time
from corpus.parallel import map_in_processes
import test_parallel
if __name__ == "__main__":
    for pid in map_in_processes(test_parallel.report_and_sleep, [1, 2], workers=2):
        pass
"""


def report_and_sleep(_: int) -> None:
    os.write(1, f"{os.getpid()}\n".encode())
    time.sleep(60)


def test_workers_die_with_a_killed_parent(tmp_path: Path):
    (tmp_path / "parent.py").write_text(_PARENT)
    here = Path(__file__).parent
    parent = subprocess.Popen(
        [sys.executable, tmp_path / "parent.py"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{here.parents[1]}:{here}"},
    )
    assert parent.stdout is not None
    pids = [int(parent.stdout.readline()) for _ in range(2)]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert wait_until_gone(pids)


def wait_until_gone(pids: list[int], limit_s: float = 10) -> bool:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if not any(Path(f"/proc/{pid}/cmdline").exists() for pid in pids):
            return True
        time.sleep(0.1)
    return False
