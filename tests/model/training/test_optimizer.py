"""An optimizer whose state is shared among processes does what one that holds it all does."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from corpus.errors import WebtextError
from model.gpt2 import GPT2
from model.settings import TrainConfig
from model.training.optimizer import (
    learning_rate,
    load_optimizer_tensors,
    make_optimizer,
    optimizer_tensors,
)
from tests.model.training.sharded_training import (
    LAST_STEP,
    SAVED_STEP,
    SHAPE,
    TRAIN,
    Training,
    read_optimizer,
)

ROOT = Path(__file__).parents[3]


@dataclass
class Runs:
    """Folders of trainings by one, two and three processes."""

    one: Path
    two: Path
    three: Path


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    runs = Runs(*(tmp_path_factory.mktemp(name) for name in ("one", "two", "three")))
    training = Training()
    training.train(SAVED_STEP)
    training.save(runs.one / "saved")
    training.train(LAST_STEP)
    training.save(runs.one / "unbroken")
    module = [sys.executable, "-m", "tests.model.training.sharded_training"]
    subprocess.run([*module, runs.one, runs.two, runs.three], cwd=ROOT, check=True, timeout=120)
    return runs


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def weights(folder):
    return load_file(folder / "weights")


@pytest.mark.parametrize("number", ["two", "three"])
def test_sharing_the_state_changes_no_bit_of_the_weights(runs, number):
    assert_same(weights(getattr(runs, number) / "unbroken"), weights(runs.one / "unbroken"))


@pytest.mark.parametrize("number", ["two", "three"])
def test_the_shares_put_together_are_the_state_of_one_process(runs, number):
    shared = read_optimizer(getattr(runs, number) / "unbroken")
    assert_same(shared, read_optimizer(runs.one / "unbroken"))


def test_each_process_holds_about_its_share(runs):
    sizes = [
        sum(tensor.numel() for tensor in load_file(path).values())
        for path in (runs.two / "unbroken").glob("optimizer-*")
    ]
    assert len(sizes) == 2
    assert max(sizes) < 0.55 * sum(sizes)


def test_two_processes_go_on_from_what_one_saved(runs):
    assert_same(weights(runs.two / "resumed"), weights(runs.one / "unbroken"))


def test_three_processes_go_on_from_what_two_saved(runs):
    assert_same(weights(runs.three / "resumed"), weights(runs.one / "unbroken"))


@pytest.mark.parametrize("number", ["one", "two", "three"])
def test_one_process_goes_on_from_what_any_number_saved(runs, number):
    training = Training()
    training.load(getattr(runs, number) / "saved", SAVED_STEP)
    training.train(LAST_STEP)
    assert_same(training.model.state_dict(), weights(runs.one / "unbroken"))
    mine = optimizer_tensors(training.model, training.optimizer)
    assert_same(mine, read_optimizer(runs.one / "unbroken"))


def test_matrices_decay_and_biases_and_norms_do_not():
    torch.manual_seed(0)
    model = GPT2(SHAPE)
    config = TrainConfig(lr=0.1, weight_decay=0.5)
    optimizer = make_optimizer(model, config)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, value in model.named_parameters():
        left = 1 - 0.1 * 0.5 if value.dim() >= 2 else 1.0
        torch.testing.assert_close(value.detach(), before[name] * left, msg=name)


def test_a_step_follows_the_formula_of_adamw():
    # Loshchilov & Hutter 2019, algorithm 2, for one weight and two steps.
    model = nn.Linear(1, 1, bias=False)
    config = TrainConfig(lr=0.1, weight_decay=0.5, beta1=0.8, beta2=0.9)
    nn.init.constant_(model.weight, 2.0)
    optimizer = make_optimizer(model, config)
    weight, mean, square = 2.0, 0.0, 0.0
    for step, gradient in enumerate((0.3, -0.7), start=1):
        model.weight.grad = torch.full((1, 1), gradient)
        optimizer.step()
        mean = 0.8 * mean + 0.2 * gradient
        square = 0.9 * square + 0.1 * gradient**2
        update = (mean / (1 - 0.8**step)) / ((square / (1 - 0.9**step)) ** 0.5 + 1e-8)
        weight = weight - 0.1 * 0.5 * weight - 0.1 * update
        assert model.weight.item() == pytest.approx(weight, rel=1e-5)


def test_before_the_first_step_there_is_no_state():
    training = Training()
    assert optimizer_tensors(training.model, training.optimizer) == {}


def test_loading_no_state_begins_again():
    training = Training()
    training.train(1)
    load_optimizer_tensors(training.model, training.optimizer, {})
    assert optimizer_tensors(training.model, training.optimizer) == {}


def test_a_step_after_loading_leaves_the_loaded_tensors_alone(runs):
    training = Training()
    tensors = read_optimizer(runs.one / "saved")
    copies = {name: tensor.clone() for name, tensor in tensors.items()}
    load_optimizer_tensors(training.model, training.optimizer, tensors)
    training.train(1)
    assert_same(tensors, copies)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda tensors: tensors.pop("exp_avg/ln_f.bias"), "exp_avg/ln_f.bias is missing"),
        (
            lambda tensors: tensors.update({"step/lm_head.weight": torch.ones(())}),
            "step/lm_head.weight is unknown",
        ),
        (
            lambda tensors: tensors.update({"exp_avg_sq/wpe.weight": torch.ones(7, 16)}),
            r"exp_avg_sq/wpe.weight is \(7, 16\), not \(8, 16\)",
        ),
    ],
)
def test_tensors_of_another_model_are_refused_and_nothing_changes(runs, damage, complaint):
    training = Training()
    training.load(runs.one / "saved", SAVED_STEP)
    tensors = read_optimizer(runs.one / "saved")
    damage(tensors)
    with pytest.raises(WebtextError, match=complaint):
        load_optimizer_tensors(training.model, training.optimizer, tensors)
    mine = optimizer_tensors(training.model, training.optimizer)
    assert_same(mine, read_optimizer(runs.one / "saved"))


def test_one_process_needs_no_group_to_share_with():
    optimizer = make_optimizer(GPT2(SHAPE), TRAIN, world_size=1)
    assert isinstance(optimizer, torch.optim.AdamW)


def test_the_learning_rate_rises_to_its_highest_and_falls_to_its_lowest():
    config = TrainConfig(steps=100, warmup_steps=10, lr=1.0, min_lr=0.1)
    rates = [learning_rate(step, config) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == 1.0
    assert rates == sorted(rates[:10]) + sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.1)
