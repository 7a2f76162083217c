"""The loop stops at a loss that is no number, skips what the guard says, and stops when asked."""

import math

import pytest
import torch

from corpus.errors import WebtextError
from corpus.tokens.windows import TokenWindows
from model.gpt2 import GPT2
from model.settings import GPT2Config, TrainConfig
from model.training.loop import Trainer
from model.training.process_group import Process

TRAIN = TrainConfig(
    steps=12,
    batch_size=4,
    micro_batch_size=2,
    lr=1e-2,
    warmup_steps=2,
    eval_every=6,
    eval_windows="all",
    device="cpu",
)


@pytest.fixture
def windows(tokens):
    return {split: TokenWindows(tokens, split, 16) for split in ("train", "val")}


def trainer(windows, **changes):
    torch.manual_seed(0)
    model = GPT2(GPT2Config(vocab_size=280, block_size=16, n_layer=1, n_head=2, n_embd=16))
    process = Process(0, 1, torch.device("cpu"))
    return Trainer(TRAIN.model_copy(update=changes), model, windows, process)


def weights(model):
    return {name: weight.clone() for name, weight in model.state_dict().items()}


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_run_before_the_update(windows, poison):
    training = trainer(windows)
    steps = training.train()
    for _ in range(3):
        next(steps)
    with torch.no_grad():
        dict(training.model.named_parameters())["h.0.mlp.c_fc.bias"][0] = poison
    before = weights(training.model)
    with pytest.raises(WebtextError) as failure:
        next(steps)
    batch = TRAIN.order(len(windows["train"])).batch(3, TRAIN.batch_size)
    parts = [part for index in batch.tolist() for part in windows["train"].documents(index)]
    for part in parts:
        assert part.document_id in failure.value.message
    assert failure.value.message.startswith("step 4: the loss is nan")
    assert "train.skipped_steps=[[4, 5]]" in failure.value.hint
    for name, weight in training.model.state_dict().items():
        torch.testing.assert_close(weight, before[name], rtol=0, atol=0, equal_nan=True)


def test_a_bad_step_is_left_out_beside_those_that_are_already(windows):
    training = trainer(windows, skipped_steps=((2, 4),))
    steps = training.train()
    for _ in range(3):
        next(steps)
    with torch.no_grad():
        dict(training.model.named_parameters())["h.0.mlp.c_fc.bias"][0] = math.nan
    with pytest.raises(WebtextError) as failure:
        next(steps)
    # Steps 2 and 3 of a run that takes all are left out, so this run's 4th is that one's 6th.
    assert failure.value.message.startswith("step 4: the loss is nan")
    assert "--step 4" in failure.value.hint
    assert "train.skipped_steps=[[2, 4], [6, 7]]" in failure.value.hint


def test_what_the_guard_refuses_changes_no_weight_and_is_recorded(windows):
    training = trainer(windows)
    steps = training.train()
    next(steps)
    training.guard.judge = lambda loss, grad_norm: "an outlier"
    before = weights(training.model)
    metrics = next(steps)
    assert metrics.get("skipped") == "an outlier"
    assert all(torch.equal(weight, before[n]) for n, weight in training.model.state_dict().items())
    del training.guard.judge
    assert "skipped" not in next(steps)
    assert any(not torch.equal(w, before[n]) for n, w in training.model.state_dict().items())


def test_a_stop_ends_the_training_between_two_steps(windows):
    training = trainer(windows)
    taken = 0
    for metrics in training.train():
        taken = metrics["step"]
        training.stop_requested = taken == 5
    assert taken == training.step == 5  # the sixth had another micro-batch to come
    training = trainer(windows, micro_batch_size=4)
    for metrics in training.train():
        taken = metrics["step"]
        training.stop_requested = taken == 5
    assert taken == training.step == 6
    assert all(parameter.grad is None for parameter in training.model.parameters())


def test_the_whole_val_split_is_measured_and_leaves_no_trace(windows):
    training = trainer(windows, eval_windows="all")
    before = weights(training.model)
    measured = training.held_out_loss()
    every = windows["val"].read(range(len(windows["val"])))
    tokens = torch.from_numpy(every)
    with torch.no_grad():
        expected = training.model(tokens[:, :-1], tokens[:, 1:])
    assert measured == pytest.approx(float(expected), rel=1e-5)
    assert training.model.training
    assert all(torch.equal(weight, before[n]) for n, weight in training.model.state_dict().items())


def test_micro_batches_are_the_big_batch(windows):
    losses = []
    for micro_batch_size in (1, 2, 4):
        training = trainer(windows, micro_batch_size=micro_batch_size)
        losses.append([metrics["loss"] for metrics in training.train()])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert losses[0] == pytest.approx(losses[2], abs=1e-5)


def test_a_training_in_bf16_takes_nearly_the_same_steps(windows):
    exact, rounded = trainer(windows), trainer(windows, precision="bf16")
    residual = []
    rounded.model.h[0].register_forward_pre_hook(lambda _, inputs: residual.append(inputs[0].dtype))
    losses = [[metrics["loss"] for metrics in each.train()] for each in (exact, rounded)]
    assert losses[1] == pytest.approx(losses[0], abs=0.02)
    assert losses[1] != losses[0]
    assert set(residual) == {torch.bfloat16}
    assert {weight.dtype for weight in rounded.model.state_dict().values()} == {torch.float32}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, in what it imports
def test_a_compiled_training_takes_the_same_steps(windows):
    eager, compiled = trainer(windows), trainer(windows, compile=True)
    compiled.warm_up()
    losses = [[metrics["loss"] for metrics in each.train()] for each in (eager, compiled)]
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)
