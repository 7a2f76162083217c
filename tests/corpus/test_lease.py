"""A folder has one owner, whatever happens to processes and clocks."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from corpus import lease
from corpus.errors import WebtextError
from corpus.lease import Owner, at_work, leased, owner_of
from tests.processes import wait_until

LEASE_S = 0.4

# Holds the folder, says so, and gives it up when its stdin ends.
HOLD = """
import sys, time
from pathlib import Path
from corpus.lease import leased
with leased(Path(sys.argv[1]), float(sys.argv[2])):
    print("mine", flush=True)
    sys.stdin.read()
"""
# Takes the folder again and again, and writes down when it had it and when it gave it up.
RACE = """
import os, sys, time
from pathlib import Path
from corpus.errors import WebtextError
from corpus.lease import leased
folder, until = Path(sys.argv[1]), time.monotonic() + 1.5
log = os.open(folder / "log", os.O_WRONLY | os.O_APPEND)
while time.monotonic() < until:
    try:
        with leased(folder):
            os.write(log, f"+{os.getpid()}\\n".encode())
            time.sleep(0.001)
            os.write(log, f"-{os.getpid()}\\n".encode())
    except WebtextError:
        pass
"""


@contextmanager
def holder(folder: Path, lease_s: float = LEASE_S) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), str(lease_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "mine\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def elsewhere(owner: Owner) -> Owner:
    """The same process, of a machine of which nothing is known."""
    return owner.model_copy(update={"host": "elsewhere", "boot": "another"})


def pretend_elsewhere(folder: Path) -> None:
    """Make the lease in the folder that of another machine, without a sign of life."""
    [path] = folder.glob(".lease-*")
    owner = owner_of(folder)
    assert owner is not None
    path.write_text(elsewhere(owner).model_dump_json())


def test_who_comes_second_is_told_who_was_first(tmp_path: Path):
    with holder(tmp_path) as process, pytest.raises(WebtextError) as caught, leased(tmp_path):
        pass
    assert f"process {process.pid} on " in caught.value.message


def test_what_is_given_up_is_free_at_once_and_leaves_one_small_file(tmp_path: Path):
    for _ in range(3):
        with leased(tmp_path):
            assert str(os.getpid()) in str(owner_of(tmp_path))
        assert owner_of(tmp_path) is None
    assert [path.name for path in tmp_path.iterdir()] == [".lease-00000003"]


def test_a_killed_owner_s_folder_is_free_at_once(tmp_path: Path):
    with holder(tmp_path, 1000) as process:
        process.kill()
        process.wait()
        with leased(tmp_path, 1000):
            pass


def test_a_stopped_owner_loses_the_folder_and_learns_it(tmp_path: Path):
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGSTOP)
        time.sleep(LEASE_S * 1.2)
        with leased(tmp_path, LEASE_S):
            process.send_signal(signal.SIGCONT)
            _, errors = process.communicate(timeout=20)
            assert process.returncode != 0
            assert f"lost {tmp_path} to process {os.getpid()}" in errors
            assert owner_of(tmp_path) == Owner.this_process().model_copy(
                update={"since": owner_of(tmp_path).since}  # type: ignore[union-attr]
            )


@pytest.mark.parametrize("jump_s", [-3600, 3600])
def test_a_clock_that_jumps_takes_no_folder_from_who_is_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: int
):
    now = time.time
    monkeypatch.setattr(lease.time, "time", lambda: now() + jump_s)
    with holder(tmp_path):
        pretend_elsewhere(tmp_path)
        with (
            pytest.raises(WebtextError, match="another webtext process works in"),
            leased(tmp_path, LEASE_S),
        ):
            pass


@pytest.mark.parametrize("age_s", [-3600, 3600])
def test_an_owner_elsewhere_that_gives_no_sign_loses_the_folder(tmp_path: Path, age_s: int):
    with holder(tmp_path) as process:
        pretend_elsewhere(tmp_path)
        process.kill()
        process.wait()
        [path] = tmp_path.glob(".lease-*")
        seen = time.time() - age_s
        os.utime(path, (seen, seen))
        with leased(tmp_path, LEASE_S):
            pass


def test_who_is_at_work_is_known_without_taking_anything(tmp_path: Path):
    assert at_work(tmp_path) is None
    with holder(tmp_path) as process:
        pretend_elsewhere(tmp_path)
        owner = at_work(tmp_path)
        assert owner is not None
        assert owner.pid == process.pid
        process.kill()
        wait_until(lambda: at_work(tmp_path, LEASE_S) is None)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_process_id_that_was_given_again_is_not_the_owner(tmp_path: Path):
    gone = Owner.this_process().model_copy(update={"started": "1"})
    (tmp_path / ".lease-00000001").write_text(gone.model_dump_json())
    with leased(tmp_path, 1000):
        pass


@pytest.mark.slow
def test_of_processes_that_race_one_has_it(tmp_path: Path):
    (tmp_path / "log").touch()
    racers = [
        subprocess.Popen([sys.executable, "-c", RACE, str(tmp_path)], stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    for each in racers:
        _, errors = each.communicate(timeout=60)
        assert each.returncode == 0, errors
    lines = (tmp_path / "log").read_text().split()
    assert len(lines) > 100
    for taken, given_up in zip(lines[::2], lines[1::2], strict=True):
        assert taken[0] == "+"
        assert given_up == f"-{taken[1:]}"


def test_a_body_that_fails_gives_the_folder_up(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), leased(tmp_path):
        raise ZeroDivisionError
    wait_until(lambda: owner_of(tmp_path) is None)
