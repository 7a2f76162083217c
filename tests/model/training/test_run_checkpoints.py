"""A training's checkpoints: whole or not there, written meanwhile, and no error is lost."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings, strategies as st

from corpus.errors import WebtextError
from model.training import run_checkpoints
from model.training.training_state import complete_steps, newest, read_optimizer
from tests.model.training.small_training import (
    check_whole,
    make_checkpoints,
    make_optimizer,
    make_state,
    make_weights,
    save,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run_alone(mode: str, *arguments: str | Path, prefix: tuple[str, ...] = ()) -> list[dict]:
    """Run one of `tests.model.training.fault_runs` in processes that may die."""
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "tests.model.training.fault_runs", mode, *arguments],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        check=False,
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"needs user namespaces: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def size_limit():
    """Lets files grow to so many bytes only: the kernel's own refusal, as of a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size or soft, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture
def may_write(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """No file is written before this is set."""
    event = threading.Event()
    write = run_checkpoints.write_tensors
    monkeypatch.setattr(
        run_checkpoints, "write_tensors", lambda *given: (event.wait(), write(*given))[1]
    )
    return event


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict]]:
    """Trainings that were killed ten times, and one of three ranks: where, and what happened."""
    folder = tmp_path_factory.mktemp("trainings")
    return folder, run_alone("processes", folder)


def test_what_a_kill_leaves_is_whole_and_the_newest_only_grows(aftermath: tuple[Path, list[dict]]):
    newest_steps = [said["newest"] for said in aftermath[1]]
    assert len(newest_steps) == 10
    assert newest_steps == sorted(newest_steps)
    assert newest_steps[-1] > 10  # it went on after each kill


def test_several_ranks_write_one_checkpoint_that_any_number_reads(
    aftermath: tuple[Path, list[dict]],
):
    checkpoints = aftermath[0] / "three-ranks" / "checkpoints"
    assert names(checkpoints) == ["step-00000004", "step-00000005"]
    assert [check_whole(checkpoints / name) for name in names(checkpoints)] == [4, 5]
    assert [name for name in names(checkpoints / "step-00000005") if name[:9] == "optimizer"] == [
        f"optimizer-{rank:05d}-of-00003.safetensors" for rank in range(3)
    ]


def test_a_full_disk_is_told_and_what_was_there_stays(tmp_path: Path):
    """A real full file system: 1 MiB of memory, mounted in a namespace of the test's own."""
    prefix = ("unshare", "--user", "--map-root-user", "--mount")
    (said,) = run_alone("disk", tmp_path, prefix=prefix)
    assert "step-" in said["error"]
    assert "No space left on device" in said["error"]
    assert "disk has room" in said["hint"]
    assert said["newest"] == said["failed"] - 1
    assert said["hidden"] == []


def test_an_error_in_the_thread_comes_with_the_next_save(
    tmp_path: Path, size_limit: Callable[[int], None]
):
    checkpoints = make_checkpoints(tmp_path)
    size_limit(4_096)
    save(checkpoints, 1)
    with pytest.raises(WebtextError, match="step-00000001 cannot be written"):
        save(checkpoints, 2)
    size_limit(0)
    save(checkpoints, 3)  # the disk has room again
    checkpoints.wait()
    assert names(tmp_path / "checkpoints") == ["step-00000003"]


def test_an_error_in_the_last_save_comes_with_wait(
    tmp_path: Path, size_limit: Callable[[int], None]
):
    checkpoints = make_checkpoints(tmp_path)
    save(checkpoints, 1)
    checkpoints.wait()
    size_limit(4_096)
    save(checkpoints, 2)
    with pytest.raises(WebtextError, match="step-00000002 cannot be written"):
        checkpoints.wait()
    assert names(tmp_path / "checkpoints") == ["step-00000001"]


def test_a_folder_that_cannot_be_written_is_told_before_the_training(tmp_path: Path):
    (tmp_path / "checkpoints").write_text("a file in its place")
    checkpoints = make_checkpoints(tmp_path)
    with pytest.raises(WebtextError, match="checkpoints cannot be written") as caught:
        checkpoints.check_room(1)
    assert "can be written" in caught.value.hint
    save(checkpoints, 1)
    with pytest.raises(WebtextError, match="checkpoints/step-00000001 cannot be written"):
        checkpoints.wait()


def test_a_disk_too_small_for_the_training_is_told_with_figures(tmp_path: Path):
    checkpoints = make_checkpoints(tmp_path, keep=2, milestone_every=500)
    checkpoints.check_room(1_000, step=0, last_step=10_000)
    assert list((tmp_path / "checkpoints").iterdir()) == []
    stat = os.statvfs(tmp_path)
    free = stat.f_bavail * stat.f_frsize
    checkpoints.check_room(free // 4, step=400, last_step=499)
    with pytest.raises(WebtextError, match="2 are kept, one is being written, and 1 are milest"):
        checkpoints.check_room(free * 2 // 7, step=400, last_step=500)


def test_a_rank_that_does_not_write_is_named_and_leaves_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(run_checkpoints, "_PATIENCE_S", 0.0)
    checkpoints = make_checkpoints(tmp_path, world_size=2)
    save(checkpoints, 1, world_size=2)
    with pytest.raises(WebtextError, match=r"optimizer-00001-of-00002.* did not come"):
        checkpoints.wait()
    assert newest(tmp_path) is None


def test_what_a_killed_attempt_of_more_ranks_left_is_not_mixed_in(tmp_path: Path):
    old = make_checkpoints(tmp_path, rank=1, world_size=2, attempt="a")
    save(old, 1, rank=1, world_size=2)
    old.wait()
    assert len(names(tmp_path / "checkpoints")) == 1
    now = make_checkpoints(tmp_path, attempt="b")
    assert names(tmp_path / "checkpoints") == []
    save(old, 2, rank=1, world_size=2)  # it was not dead yet
    old.wait()
    save(now, 2)
    now.wait()
    assert check_whole(tmp_path / "checkpoints" / "step-00000002") == 2


def test_tensors_may_change_as_soon_as_save_returns(tmp_path: Path, may_write: threading.Event):
    checkpoints = make_checkpoints(tmp_path)
    weights, optimizer = make_weights(1), make_optimizer(1)
    checkpoints.save(make_state(1), weights, optimizer)
    for tensor in [*weights.values(), *optimizer.values()]:
        tensor.fill_(99)
    may_write.set()
    checkpoints.wait()
    assert check_whole(newest(tmp_path) or tmp_path) == 1


def test_a_save_waits_for_the_one_in_flight_whose_memory_it_takes(
    tmp_path: Path, may_write: threading.Event
):
    checkpoints = make_checkpoints(tmp_path)
    save(checkpoints, 1)
    threading.Timer(0.2, may_write.set).start()
    save(checkpoints, 2)
    assert check_whole(tmp_path / "checkpoints" / "step-00000001") == 1
    checkpoints.wait()
    assert check_whole(tmp_path / "checkpoints" / "step-00000002") == 2


def test_tensors_may_change_their_shape_between_saves(tmp_path: Path):
    checkpoints = make_checkpoints(tmp_path)
    for step, shape in ((1, (3,)), (2, (2, 2)), (3, ())):
        moments = {"exp_avg/x": torch.full(shape, float(step))}
        checkpoints.save(make_state(step), make_weights(step), moments)
        checkpoints.wait()
        assert read_optimizer(newest(tmp_path) or tmp_path)["exp_avg/x"].shape == shape


def test_the_same_state_makes_the_same_bytes(tmp_path: Path):
    for name in ("one", "two"):
        checkpoints = make_checkpoints(tmp_path / name)
        save(checkpoints, 1)
        checkpoints.wait()
    one, two = (newest(tmp_path / name) or tmp_path for name in ("one", "two"))
    assert names(one) == names(two)
    for name in names(one):
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def test_a_step_written_again_takes_the_place_of_the_first(tmp_path: Path):
    checkpoints = make_checkpoints(tmp_path)
    for value in (1, 5):
        checkpoints.save(make_state(5), make_weights(value), make_optimizer(value))
        checkpoints.wait()
    assert check_whole(newest(tmp_path) or tmp_path) == 5
    assert names(tmp_path / "checkpoints") == ["step-00000005"]


@settings(max_examples=8)
@given(
    steps=st.lists(st.integers(1, 12), unique=True, min_size=1, max_size=5).map(sorted),
    keep=st.integers(1, 3),
    milestone_every=st.none() | st.integers(1, 4),
)
def test_the_newest_and_the_milestones_stay(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[int],
    keep: int,
    milestone_every: int | None,
):
    output = tmp_path_factory.mktemp("run")
    checkpoints = make_checkpoints(output, keep, milestone_every)
    for step in steps:
        save(checkpoints, step)
    checkpoints.wait()
    milestones = {step for step in steps if milestone_every and step % milestone_every == 0}
    assert set(complete_steps(output / "checkpoints")) == milestones | set(steps[-keep:])
    assert len(names(output / "checkpoints")) == len(milestones | set(steps[-keep:]))
