"""A training survives what clusters do: lost, hanging and stopped processes, other world sizes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from corpus.metrics import read_metrics
from corpus.runtime import Runtime
from model.launch import run
from model.settings import ModelConfig, RunConfig, TrainConfig
from model.stopped import TrainingStoppedError
from model.training.training_state import newest, read_state

SHAPE = ModelConfig(block_size=16, n_layer=2, n_head=2, n_embd=16)
# A trainer reports each step through a pipe, and waits where that is full: 64 KiB, and 8 KiB of
# the reader's, hold some 370 steps. So what a test does at a step that it reads of comes at most
# so many steps later, however slow the reader is.
REPORTS_UNREAD = 400
TRAIN = TrainConfig(
    steps=2 * REPORTS_UNREAD + 100,
    batch_size=8,
    micro_batch_size=2,
    lr=1e-4,  # the last bits of a sum should not grow in hundreds of steps
    warmup_steps=5,
    eval_every=100,
    eval_windows=10,
    checkpoint_every=20,
    device="cpu",
)


@pytest.fixture(scope="module", autouse=True)
def one_thread_in_children():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture
def output(tmp_path):
    return alone_in(tmp_path)


def alone_in(folder):
    """A run's folder without others beside it: it would take over the steps of a like run."""
    output = folder / "run"
    output.mkdir(parents=True)
    return output


class Watcher:
    """A progress that acts when it has seen some steps taken."""

    def __init__(self, num_steps, act):
        self.num_left, self.act = num_steps, act
        self.began_at = []
        self._begins = False

    def start(self, total, unit):
        self._begins = True

    def advance(self, count=1, note=""):
        if self._begins:  # these were taken before
            self._begins = False
            self.began_at.append(count)
            return
        self.num_left -= count
        if self.num_left == 0:
            self.act()

    def report(self, figures):
        pass


def config(**changes):
    return RunConfig(model=SHAPE, train=TRAIN.model_copy(update=changes))


def train(tokens, output, progress=None, **changes):
    runtime = Runtime(progress=progress) if progress else Runtime()
    return run(config(**changes), {"tokens": tokens}, output, runtime)


def newest_state(output):
    found = newest(output)
    assert found is not None
    return read_state(found)


def losses(output):
    return [line["loss"] for line in read_metrics(output)]


def weights(output):
    return load_file(output / "checkpoint" / "model.safetensors")


def assert_weights_close(one, two, tolerance):
    ours, theirs = weights(one), weights(two)
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        torch.testing.assert_close(theirs[name], weight, rtol=0, atol=tolerance)


def trainers(output):
    """Pids of the trainers that write `output`, by rank, torchrun's own process left out."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if str(output).encode() in words and b"torch.distributed.run" not in words:
                variables = (folder / "environ").read_bytes().split(b"\0")
                rank = next((v[5:] for v in variables if v.startswith(b"RANK=")), b"0")
                found[int(rank)] = int(folder.name)
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
    return found


@pytest.mark.slow
@pytest.mark.parametrize("shard_optimizer", [False, True])
def test_two_ranks_train_as_one_whoever_holds_the_optimizer(tokens, tmp_path, shard_optimizer):
    one, two = alone_in(tmp_path / "one"), alone_in(tmp_path / "two")
    train(tokens, one, steps=10)
    train(tokens, two, steps=10, processes=2, shard_optimizer=shard_optimizer)
    assert losses(two) == pytest.approx(losses(one), abs=1e-5)
    assert_weights_close(one, two, 1e-5)


@pytest.mark.slow
def test_two_ranks_then_one_then_two_take_the_same_batches(tokens, tmp_path):
    undisturbed, output = alone_in(tmp_path / "undisturbed"), alone_in(tmp_path / "stopped")
    train(tokens, undisturbed)
    reached = 0
    for processes in (2, 1):
        last = processes - 1
        watcher = Watcher(10, lambda last=last: os.kill(trainers(output)[last], signal.SIGTERM))
        with pytest.raises(TrainingStoppedError):
            train(tokens, output, watcher, processes=processes)
        assert watcher.began_at == [reached]
        state = newest_state(output)
        assert state.world_size == processes
        assert reached < state.step < TRAIN.steps
        reached = state.step
    train(tokens, output, processes=2)
    assert losses(output) == pytest.approx(losses(undisturbed), abs=1e-5)
    assert_weights_close(undisturbed, output, 1e-4)


SHORTER = REPORTS_UNREAD + 100


@pytest.fixture(scope="module")
def together(tokens, tmp_path_factory):
    """An undisturbed training by two processes."""
    output = alone_in(tmp_path_factory.mktemp("together"))
    train(tokens, output, processes=2, steps=SHORTER)
    return output


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_lost_rank_is_noticed_and_the_group_goes_on(
    together, tokens, output, signal_number, rank
):
    # A stopped process is alive: only the others' waiting for it, a minute at most, tells.
    watcher = Watcher(50, lambda: os.kill(trainers(output)[rank], signal_number))
    train(tokens, output, watcher, processes=2, steps=SHORTER)
    first, second = watcher.began_at
    assert first == 0
    assert 0 < second < SHORTER
    assert [line["step"] for line in read_metrics(output)] == list(range(1, SHORTER + 1))
    assert losses(output) == losses(together)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_trainer_that_is_asked_to_stop_saves_and_says_how_to_go_on(tokens, tmp_path, number):
    path = tmp_path / "config.json"
    path.write_text(config(steps=1_000_000).model_dump_json())
    arguments = ["--config", path, "--tokens", tokens, "--output", tmp_path / "run"]
    process = subprocess.Popen(
        [sys.executable, "-m", "model.train", *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        # A background shell's children ignore Ctrl-C otherwise.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while len(read_metrics(tmp_path / "run")) < 7:
        time.sleep(0.1)
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    step = newest_state(tmp_path / "run").step
    assert f"stopped after step {step}, which is saved; resume with: " in said
    assert f"-m model.train --config {path}" in said
    assert len(read_metrics(tmp_path / "run")) == step
