"""Trainings in processes that get killed, are several, or have a disk of their own.

`main` prints a line of JSON per thing that happened.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import torch

from corpus.errors import WebtextError
from model.training.run_checkpoints import RunCheckpoints
from model.training.training_state import complete_steps, newest, step_folder
from tests.model.training.small_training import check_whole, make_checkpoints, save


def main() -> None:
    """Called with the arguments processes FOLDER, or disk FOLDER."""
    torch.set_num_threads(1)
    mode, folder = sys.argv[1], Path(sys.argv[2])
    if mode == "processes":
        kill_ten_times(folder / "killed")
        write_with_ranks(folder / "three-ranks", 3)
    else:
        fill_the_disk(folder)


def kill_ten_times(output: Path) -> None:
    delays = random.Random(0)
    checkpoints = make_checkpoints(output)
    save(checkpoints, 1)  # the first save imports things, which no child needs to repeat
    checkpoints.wait()
    for _ in range(10):
        first = _newest_step(output) + 1
        child = _fork(lambda first=first: _save_for_ever(output, first))
        while _newest_step(output) < first and not os.waitpid(child, os.WNOHANG)[0]:
            time.sleep(0.005)  # not at work yet
        time.sleep(delays.uniform(0, 0.15))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        steps = complete_steps(output / "checkpoints")
        for step in steps:
            check_whole(step_folder(output / "checkpoints", step))
        _say({"newest": steps[-1]})


def write_with_ranks(output: Path, world_size: int) -> None:
    made = [
        make_checkpoints(output, rank=rank, world_size=world_size) for rank in range(world_size)
    ]
    children = [
        _fork(lambda rank=rank: _train_as(made[rank], rank, world_size))
        for rank in range(world_size)
    ]
    for child in children:
        assert os.waitpid(child, 0)[1] == 0


def fill_the_disk(disk: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    checkpoints = make_checkpoints(disk, keep=100)
    for step in count(1):
        save(checkpoints, step)
        try:
            checkpoints.wait()
        except WebtextError as exc:
            hidden = [path.name for path in disk.rglob(".*")]
            newest_step = check_whole(newest(disk) or disk)
            said = {"error": exc.message, "hint": exc.hint, "failed": step, "hidden": hidden}
            _say(said | {"newest": newest_step})
            return


def _save_for_ever(output: Path, first: int) -> None:
    checkpoints = make_checkpoints(output, keep=2, milestone_every=5)
    for step in count(first):
        save(checkpoints, step)


def _train_as(checkpoints: RunCheckpoints, rank: int, world_size: int) -> None:
    time.sleep(0.1 * abs(rank - 1))  # one is ahead of rank 0, one comes after it
    for step in range(1, 6):
        save(checkpoints, step, rank, world_size)
    checkpoints.wait()


def _fork(work: Callable[[], None]) -> int:
    """Start a process without the seconds that importing torch takes."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException as exc:
        sys.stderr.write(f"{exc!r}\n")
        os._exit(1)
    os._exit(0)


def _newest_step(output: Path) -> int:
    return (complete_steps(output / "checkpoints") or [0])[-1]


def _say(said: dict) -> None:
    sys.stdout.write(f"{json.dumps(said)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
