"""A run that leaves out further steps goes on where it parts from the one before, bit for bit."""

import pytest

from corpus.metrics import read_metrics
from corpus.runtime import Runtime
from model.launch import run
from model.settings import ModelConfig, RunConfig, TrainConfig
from model.training.adopt_steps import steps_in_common

TRAIN = TrainConfig(
    steps=12,
    batch_size=4,
    micro_batch_size=4,
    lr=1e-2,
    warmup_steps=2,
    eval_every=6,
    eval_windows=4,
    checkpoint_every=2,
    keep_checkpoints=9,
    device="cpu",
)


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [
        ((), (), 2**63),
        ((), ((7, 9),), 6),
        (((7, 9),), ((7, 9),), 2**63),
        (((7, 9),), ((7, 8),), 6),
        (((3, 5),), ((3, 5), (9, 10)), 6),  # the steps after 3 and 4 have moved up by two
        (((3, 5), (20, 21)), ((3, 5), (9, 10)), 6),
    ],
)
def test_two_runs_are_alike_up_to_the_first_step_that_one_leaves_out(one, other, common):
    assert steps_in_common(one, other) == steps_in_common(other, one) == common


class Steps:
    """The steps that were really taken."""

    def __init__(self):
        self.first = None

    def start(self, total, unit):
        pass

    def advance(self, count=1, note=""):
        if self.first is None:
            self.first = count

    def report(self, figures):
        pass


def train(tokens, output, **changes):
    shape = ModelConfig(block_size=16, n_layer=1, n_head=2, n_embd=16)
    config = RunConfig(model=shape, train=TRAIN.model_copy(update=changes))
    steps = Steps()
    return run(config, {"tokens": tokens}, output, Runtime(progress=steps)), steps.first


@pytest.mark.slow
def test_a_run_with_a_step_left_out_ends_as_one_from_the_beginning(tokens, tmp_path):
    skipped = ((8, 9),)
    train(tokens, tmp_path / "runs" / "before")
    _, first = train(tokens, tmp_path / "runs" / "twin")
    assert first == 0  # what is the same run has nothing to lend
    adopted, first = train(tokens, tmp_path / "runs" / "after", skipped_steps=skipped)
    assert first == 6  # the newest checkpoint before step 8
    alone, from_start = train(tokens, tmp_path / "elsewhere" / "after", skipped_steps=skipped)
    assert from_start == 0
    assert adopted.hash == alone.hash
    for folder in (tmp_path / "runs" / "after", tmp_path / "elsewhere" / "after"):
        assert [line["step"] for line in read_metrics(folder)] == list(range(1, 13))
    other, first = train(tokens, tmp_path / "runs" / "other", skipped_steps=skipped, seed=1)
    assert first == 0
    assert other.hash != alone.hash
