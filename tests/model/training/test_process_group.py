"""Processes that train together wait for one that is slow, and miss one that hangs."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]

from model.training import process_group
from model.training.process_group import Process

ROOT = Path(__file__).parents[3]
LOST_AFTER_S = 4


def main() -> None:
    """Be a process of two, which goes on with each line that comes."""
    _say("imported")
    process_group.LOST_AFTER = timedelta(seconds=LOST_AFTER_S)
    with process_group.process_group("cpu") as process:
        _say("joined")
        _say(process.agree("word", f"word of {process.rank}"))
        process.wait_for_all("meeting")
        _say("met")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201
    sys.stdin.readline()


@pytest.fixture
def store():
    return TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)


class Member:
    """One of two processes, and what it says."""

    def __init__(self, rank, port):
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.model.training.test_process_group"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ
            | meeting
            | {"RANK": str(rank), "TORCHELASTIC_USE_AGENT_STORE": "True", "OMP_NUM_THREADS": "1"},
        )

    def says(self):
        assert self.process.stdout
        return self.process.stdout.readline().rstrip()

    def goes_on(self):
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def fails_as(self, reason):
        _, said = self.process.communicate(timeout=60)
        assert self.process.returncode == 1
        assert said.rstrip().endswith(reason)


@pytest.fixture
def pair(store):
    """Two processes that have joined."""
    members = [Member(rank, store.port) for rank in range(2)]
    try:
        assert [member.says() for member in members] == ["imported"] * 2
        for member in members:
            member.goes_on()
        assert [member.says() for member in members] == ["joined"] * 2
        yield members
    finally:
        for member in members:
            member.process.kill()
            with member.process:  # closes its pipes
                pass


def both_agree(pair):
    for member in pair:
        member.goes_on()
    assert [member.says() for member in pair] == ["word of 0"] * 2


def test_a_process_that_lives_is_waited_for_however_slow_it_is(pair):
    quick, slow = pair
    both_agree(pair)
    quick.goes_on()
    with pytest.raises(subprocess.TimeoutExpired):
        quick.process.wait(2 * LOST_AFTER_S)
    slow.goes_on()
    assert [quick.says(), slow.says()] == ["met", "met"]


@pytest.mark.parametrize("hanging", [0, 1])
def test_a_process_that_hangs_is_missed_where_the_others_wait_for_it(pair, hanging):
    both_agree(pair)
    pair[hanging].process.send_signal(signal.SIGSTOP)
    pair[1 - hanging].goes_on()
    pair[1 - hanging].fails_as(
        f"TimeoutError: process {hanging} shows no life: it did not come to 'meeting/{hanging}'"
    )


def test_rank_0_is_missed_where_it_hangs_before_it_tells_the_others(pair):
    pair[0].process.send_signal(signal.SIGSTOP)
    pair[1].goes_on()
    pair[1].fails_as("TimeoutError: process 0 shows no life: it did not come to 'word'")


def test_a_process_that_never_showed_life_is_missed_too(store, monkeypatch):
    monkeypatch.setattr(process_group, "LOST_AFTER", timedelta(seconds=0.1))
    process = Process(0, 2, torch.device("cpu"), store)
    with pytest.raises(TimeoutError, match="process 1 shows no life"):
        process.wait_for_all("meeting")


if __name__ == "__main__":
    main()
