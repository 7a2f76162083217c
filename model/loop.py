"""The training loop: batches in a fixed order, AdamW, held-out loss, checkpoints."""

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from corpus.tokens.order import derive_seed
from corpus.tokens.splits import Split
from corpus.tokens.windows import TokenWindows
from model.gpt2 import GPT2
from model.metrics import Metrics
from model.settings import TrainConfig


@dataclass(frozen=True)
class Process:
    """This process among those that train together."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0

    def mean(self, total: Tensor, count: int) -> float:
        """The sum of all processes' `total` over the sum of their `count`."""
        pair = torch.stack([total.double().cpu(), torch.tensor(float(count))]).to(self.device)
        if self.world_size > 1:
            dist.all_reduce(pair)
        return float(pair[0] / pair[1])


class Trainer:
    """A model in training; `step` is all the state beside the weights and the optimizer's."""

    def __init__(
        self,
        config: TrainConfig,
        model: GPT2,
        windows: dict[Split, TokenWindows],
        process: Process,
    ) -> None:
        self.config = config
        self.model = model
        self.process = process
        self.step = 0
        self.optimizer = make_optimizer(model, config)
        self._windows = windows
        self._order = config.order(len(windows["train"]))
        self._parallel: nn.Module = model
        if process.world_size > 1:
            self._parallel = DistributedDataParallel(model)

    def train(self) -> Iterator[Metrics]:
        """Take the steps that are left, one by one."""
        while self.step < self.config.steps:
            started = time.perf_counter()
            lr = learning_rate(self.step, self.config)
            loss = self._take_step(lr)
            num_tokens = self.config.batch_size * self.model.config.block_size
            rate = num_tokens / (time.perf_counter() - started)
            self.step += 1
            metrics = Metrics(step=self.step, loss=loss, lr=lr, tokens_per_s=rate)
            is_last = self.step == self.config.steps
            if len(self._windows["val"]) and (is_last or self.step % self.config.eval_every == 0):
                metrics["val_loss"] = self.held_out_loss()
            yield metrics

    @torch.no_grad()
    def held_out_loss(self) -> float:
        """Mean loss over the same windows of the val split at every call, nats per token."""
        val, process = self._windows["val"], self.process
        num_windows = min(len(val), self.config.eval_windows)
        # Evenly over the split: its first windows would be its first few documents.
        chosen = np.arange(num_windows) * len(val) // num_windows
        chosen = chosen[process.rank :: process.world_size]
        total = torch.zeros((), dtype=torch.float64, device=process.device)
        self.model.eval()
        for ids, targets in self._micro_batches(val, chosen):
            with self._precision():
                loss = self.model(ids, targets)[1]
            total += loss.double() * len(ids)
        self.model.train()
        return process.mean(total, len(chosen))

    def _take_step(self, lr: float) -> float:
        config, process = self.config, self.process
        # Seeded by the step, so that resuming needs no generator's state.
        torch.manual_seed(derive_seed(config.seed, self.step, process.rank))
        batch = self._order.batch(self.step, config.batch_size, process.rank, process.world_size)
        num_micro = len(batch) // config.micro_batch_size
        total = torch.zeros((), device=process.device)
        batches = self._micro_batches(self._windows["train"], batch)
        for i, (ids, targets) in enumerate(batches, start=1):
            with self._gradients_stay_here(i < num_micro):
                with self._precision():
                    loss = self._parallel(ids, targets)[1] / num_micro
                loss.backward()
            total += loss.detach()
        nn.utils.clip_grad_norm_(self.model.parameters(), config.grad_clip)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return process.mean(total, 1)

    def _micro_batches(
        self, windows: TokenWindows, indices: np.ndarray
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and targets, each (micro_batch_size, block_size), the last one maybe fewer."""
        size = self.config.micro_batch_size
        for start in range(0, len(indices), size):
            rows = windows.read(indices[start : start + size])
            tokens = torch.from_numpy(rows).to(self.process.device)
            yield tokens[:, :-1], tokens[:, 1:]

    def _precision(self) -> AbstractContextManager:
        # bfloat16 halves the time on a GPU; most CPUs emulate it and take longer.
        if self.process.device.type == "cuda":
            return torch.autocast("cuda", dtype=torch.bfloat16)
        return nullcontext()

    def _gradients_stay_here(self, more_to_come: bool) -> AbstractContextManager:
        # Gradients cross between processes once a step, with the last micro-batch.
        if more_to_come and isinstance(self._parallel, DistributedDataParallel):
            return self._parallel.no_sync()
        return nullcontext()


def make_optimizer(model: GPT2, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW that decays matrices only: a bias or a norm pulled to zero is no simpler model."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=(config.beta1, config.beta2))


def learning_rate(step: int, config: TrainConfig) -> float:
    """Linear warm-up to `lr`, then a cosine down to `min_lr` at the last step."""
    if step < config.warmup_steps:
        return config.lr * (step + 1) / config.warmup_steps
    decay_steps = max(1, config.steps - 1 - config.warmup_steps)
    progress = min(1.0, (step - config.warmup_steps) / decay_steps)
    return config.min_lr + (config.lr - config.min_lr) * (1 + math.cos(math.pi * progress)) / 2
