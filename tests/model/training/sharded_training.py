"""A few steps of a tiny model whose optimizer is shared among 2 and 3 processes."""

import importlib
import multiprocessing
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import nn

from model.gpt2 import GPT2
from model.settings import GPT2Config, TrainConfig
from model.training.optimizer import (
    learning_rate,
    load_optimizer_tensors,
    make_optimizer,
    optimizer_tensors,
)

SHAPE = GPT2Config(block_size=8, n_layer=2, n_head=2, n_embd=16, vocab_size=50)
TRAIN = TrainConfig(
    steps=5, warmup_steps=2, lr=1e-2, weight_decay=0.5, grad_clip=0.1, shard_optimizer=True
)
SAVED_STEP, LAST_STEP = 3, 5


class Training:
    """Takes the same steps in every process that trains with it."""

    def __init__(self, world_size=1):
        torch.manual_seed(0)
        self.model = GPT2(SHAPE)
        self.optimizer = make_optimizer(self.model, TRAIN, world_size)
        self.step = 0

    def train(self, last_step):
        while self.step < last_step:
            self.optimizer.zero_grad()
            generator = torch.Generator().manual_seed(self.step)
            tokens = torch.randint(50, (4, 9), generator=generator)
            self.model(tokens[:, :-1], tokens[:, 1:]).backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), TRAIN.grad_clip)
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(self.step, TRAIN)
            self.optimizer.step()
            self.step += 1

    def save(self, folder, rank=0):
        folder.mkdir(exist_ok=True)
        save_file(optimizer_tensors(self.model, self.optimizer), folder / f"optimizer-{rank}")
        if rank == 0:
            save_file(self.model.state_dict(), folder / "weights")

    def load(self, folder, step):
        self.model.load_state_dict(load_file(folder / "weights"))
        load_optimizer_tensors(self.model, self.optimizer, read_optimizer(folder))
        self.step = step


def read_optimizer(folder):
    shares = [load_file(path) for path in sorted(folder.glob("optimizer-*"))]
    names = [name for share in shares for name in share]
    assert len(names) == len(set(names)), "two processes hold the same tensor"
    return {name: tensor for share in shares for name, tensor in share.items()}


def train_together(world_size: int, start: Path, output: Path) -> None:
    """Train in several processes, forked from this one: importing torch takes them seconds."""
    fork = multiprocessing.get_context("fork")
    ranks = [
        fork.Process(target=train_share, args=(rank, world_size, start, output))
        for rank in range(world_size)
    ]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    if any(process.exitcode for process in ranks):
        sys.exit(f"one of {world_size} processes failed")


def train_share(rank: int, world_size: int, start: Path, output: Path) -> None:
    """Train from the beginning, and then from the checkpoint `start`."""
    meeting = f"file://{output / 'store'}"
    dist.init_process_group("gloo", meeting, rank=rank, world_size=world_size)
    training = Training(world_size)
    training.train(SAVED_STEP)
    training.save(output / "saved", rank)
    training.train(LAST_STEP)
    training.save(output / "unbroken", rank)
    resumed = Training(world_size)
    resumed.load(start, SAVED_STEP)
    resumed.train(LAST_STEP)
    resumed.save(output / "resumed", rank)
    dist.barrier()
    dist.destroy_process_group()


def main(arguments: Sequence[str]) -> None:
    """Two processes go on from the checkpoint of one, and three from that of two."""
    one, two, three = map(Path, arguments)
    torch.set_num_threads(1)
    for name in ("torch.distributed.optim", "torch._dynamo"):  # once, for all that are forked
        importlib.import_module(name)
    train_together(2, one / "saved", two)
    train_together(3, two / "saved", three)


if __name__ == "__main__":
    main(sys.argv[1:])
