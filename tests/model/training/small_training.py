"""A training with checkpoints of milliseconds; every tensor holds the step's number."""

from pathlib import Path

import torch
from torch import Tensor

from corpus.tokenizer import Tokenizer
from model.gpt2 import GPT2
from model.settings import GPT2Config
from model.training.run_checkpoints import RunCheckpoints
from model.training.training_state import TrainingState, read_optimizer, read_state, read_weights

CONFIG = GPT2Config(vocab_size=257, block_size=4, n_layer=1, n_head=1, n_embd=8)
NAMES = list(GPT2(CONFIG).state_dict())


def make_state(step: int, world_size: int = 1) -> TrainingState:
    return TrainingState(
        step=step,
        seed=7,
        world_size=world_size,
        corpus="0" * 64,
        config={"train": {"lr": 6e-4}, "model": {"n_layer": 1}},
        guard={"losses": [9.1, 0.1 + 0.2], "norms": [float("inf")]},
        versions={"torch": "2.13.0"},
    )


def make_weights(step: int) -> dict[str, Tensor]:
    weights = GPT2(CONFIG).state_dict()
    return {name: torch.full_like(weight, step) for name, weight in weights.items()}


def make_optimizer(step: int, rank: int = 0, world_size: int = 1) -> dict[str, Tensor]:
    mine = NAMES[rank::world_size]
    return {f"exp_avg/{name}": torch.full((3, 5), float(step)) for name in mine}


def make_checkpoints(
    output: Path,
    keep: int = 2,
    milestone_every: int | None = None,
    rank: int = 0,
    world_size: int = 1,
    attempt: str = "0",
) -> RunCheckpoints:
    vocabulary = Tokenizer.from_merges([])
    return RunCheckpoints(
        output, CONFIG, vocabulary, keep, milestone_every, rank, world_size, attempt
    )


def save(checkpoints: RunCheckpoints, step: int, rank: int = 0, world_size: int = 1) -> None:
    checkpoints.save(
        make_state(step, world_size), make_weights(step), make_optimizer(step, rank, world_size)
    )


def check_whole(folder: Path) -> int:
    """Read all of a checkpoint, see that it is of one step, and return that."""
    step = read_state(folder).step
    optimizer = read_optimizer(folder)
    assert sorted(optimizer) == sorted(f"exp_avg/{name}" for name in NAMES)
    assert all((tensor == step).all() for tensor in optimizer.values())
    weights = read_weights(folder)
    assert sorted(weights) == sorted(NAMES)
    for name, weight in weights.items():
        rows = weight[: CONFIG.vocab_size] if name == "wte.weight" else weight
        assert (rows == step).all(), name
    assert folder.name == f"step-{step:08d}"
    return step
