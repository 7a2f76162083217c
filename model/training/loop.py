"""The training loop: batches in a fixed order, guarded updates, held-out loss."""

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from corpus.tokens.order import derive_seed
from corpus.tokens.splits import Split
from corpus.tokens.windows import TokenWindows
from model.gpt2 import GPT2
from model.linear_loss import fusible_chunk_loss
from model.metrics import Metrics
from model.settings import TrainConfig
from model.training.not_finite import not_finite
from model.training.optimizer import learning_rate, make_optimizer
from model.training.process_group import Process
from model.training.spike_guard import SpikeGuard
from model.training.throughput import Precision, memory_gb, mfu


class Trainer:
    """A model in training; `step` and the guard are all the state beside weights and optimizer.

    Args:
        config: How to train.
        model: The model, on the process's device.
        windows: The windows of both splits.
        process: This process among those that train.
    """

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
        self.stop_requested = False
        """Set it, in any process, and all of them stop after the step at work."""
        self._all_stop = False
        self.optimizer = make_optimizer(model, config, process.world_size)
        self.guard = SpikeGuard(config.spike_zscore, config.max_spikes)
        self.precision: Precision = _precision(config, process.device)
        self._windows = windows
        self._order = config.order(len(windows["train"]))
        self._num_micro = config.micro_batches(process.world_size)
        if config.compile:
            compile_model(model)
        self._parallel: nn.Module = model
        if process.world_size > 1:
            process.wait_for_all("model made")  # the first collective call comes with DDP
            self._parallel = DistributedDataParallel(model, gradient_as_bucket_view=True)

    def warm_up(self) -> None:
        """Compile, and let DDP settle which gradients travel together.

        Both at times of their own: compiling takes one process longer than another, and DDP changes
        its buckets, and with them the order of sums, after a process's first step, which would
        set a resumed run apart from an unbroken one.
        """
        shape = (self.config.micro_batch_size, self.model.config.block_size)
        nothing = torch.zeros(shape, dtype=torch.int64, device=self.process.device)
        if self.config.compile:
            with self._gradients_stay_here(True):
                self._loss(nothing, nothing).backward()
            self.process.wait_for_all("compiled")
        if self.process.world_size > 1:
            self._loss(nothing, nothing).backward()
        self.optimizer.zero_grad(set_to_none=True)

    def train(self) -> Iterator[Metrics]:
        """Take the steps that are left, one by one, until the last or until asked to stop.

        Raises:
            WebtextError: loss or gradient are not finite, or too many updates were skipped.
        """
        while self.step < self.config.steps and not self._all_stop:
            started = time.perf_counter()
            metrics = self._take_step()
            if metrics is None:
                return
            rate = self.config.batch_size * self.model.config.block_size
            rate /= time.perf_counter() - started
            self.step += 1
            self._add_speed(metrics, rate)
            is_last = self.step == self.config.steps
            if len(self._windows["val"]) and (is_last or self.step % self.config.eval_every == 0):
                metrics["val_loss"] = self.held_out_loss()
            yield metrics

    @torch.no_grad()
    def held_out_loss(self) -> float:
        """Mean loss over the same windows of the val split at every call, nats per token."""
        val, process = self._windows["val"], self.process
        wanted = self.config.eval_windows
        num_windows = len(val) if wanted == "all" else min(len(val), wanted)
        # Evenly over the split: its first windows would be its first few documents.
        chosen = np.arange(num_windows) * len(val) // num_windows
        chosen = chosen[process.rank :: process.world_size]
        total = torch.zeros((), dtype=torch.float64, device=process.device)
        self.model.eval()
        for ids, targets in self._micro_batches(val, chosen):
            with self._autocast():
                loss = self.model(ids, targets)
            total += loss.double() * len(ids)
        self.model.train()
        process.wait_for_all(f"evaluated {self.step}")  # the first time it compiles
        sum_of_losses, count = process.sum([total, len(chosen)])
        return sum_of_losses / count

    def _take_step(self) -> Metrics | None:
        """One step; None where it was given up, as this process is alone and is to stop."""
        config, process = self.config, self.process
        # Seeded by the step, so that resuming needs no generator's state.
        torch.manual_seed(derive_seed(config.seed, self.step, process.rank))
        batch = self._order.batch(self.step, config.batch_size, process.rank, process.world_size)
        mean_loss = self._accumulate_gradients(batch)
        if mean_loss is None:
            self.optimizer.zero_grad(set_to_none=True)
            return None
        total, num_stops = process.sum([mean_loss, self.stop_requested])
        self._all_stop = num_stops > 0
        loss = total / process.world_size
        grad_norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), config.grad_clip))
        if not (math.isfinite(loss) and math.isfinite(grad_norm)):
            train, order = self._windows["train"], self._order
            raise not_finite(self.step, loss, grad_norm, train, order, config.batch_size)
        lr = learning_rate(self.step, config)
        reason = self.guard.judge(loss, grad_norm)
        if reason is None:
            for group in self.optimizer.param_groups:
                group["lr"] = lr
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        metrics = Metrics(
            step=self.step + 1, loss=loss, grad_norm=grad_norm, lr=lr, tokens_per_s=0, memory_gb=0
        )
        if reason is not None:
            metrics["skipped"] = reason
        return metrics

    def _accumulate_gradients(self, batch: np.ndarray) -> Tensor | None:
        """Forward and backward of this process's share; its mean loss, None if cut short."""
        total = torch.zeros((), device=self.process.device)
        batches = self._micro_batches(self._windows["train"], batch)
        for i, (ids, targets) in enumerate(batches, start=1):
            with self._gradients_stay_here(i < self._num_micro):
                loss = self._loss(ids, targets) / self._num_micro
                loss.backward()
            total += loss.detach()
            # Alone there is nobody who counts on the rest of the step, which may take minutes.
            if self.stop_requested and self.process.world_size == 1 and i < self._num_micro:
                return None
        return total

    def _loss(self, ids: Tensor, targets: Tensor) -> Tensor:
        with self._autocast():
            return self._parallel(ids, targets)

    def _micro_batches(
        self, windows: TokenWindows, indices: np.ndarray
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and targets, each (micro_batch_size, block_size), the last one maybe fewer."""
        size = self.config.micro_batch_size
        for start in range(0, len(indices), size):
            tokens = torch.from_numpy(windows.read(indices[start : start + size]))
            if self.process.device.type == "cuda":
                tokens = tokens.pin_memory().to(self.process.device, non_blocking=True)
            yield tokens[:, :-1], tokens[:, 1:]

    def _autocast(self) -> AbstractContextManager:
        if self.precision == "bf16":
            return torch.autocast(self.process.device.type, dtype=torch.bfloat16)
        return nullcontext()

    def _gradients_stay_here(self, more_to_come: bool) -> AbstractContextManager:
        # Gradients cross between processes once a step, with the last micro-batch.
        if more_to_come and isinstance(self._parallel, DistributedDataParallel):
            return self._parallel.no_sync()
        return nullcontext()

    def _add_speed(self, metrics: Metrics, tokens_per_s: float) -> None:
        device, shape = self.process.device, self.model.config
        metrics["tokens_per_s"] = tokens_per_s
        metrics["memory_gb"] = memory_gb(device)
        metrics["time"] = time.time()
        share = mfu(tokens_per_s, shape, device, self.precision, self.process.world_size)
        if share is not None:
            metrics["mfu"] = share


def compile_model(model: GPT2) -> None:
    """Put the model through torch.compile, all but its loss.

    Compiled, that would copy the gradient of the output layer for every chunk. On a
    GPU the sums of a chunk become one kernel; on a CPU their steps in place are as fast.
    """
    model.hidden = torch.compile(model.hidden)
    if model.wte.weight.is_cuda:
        model.chunk_loss = torch.compile(fusible_chunk_loss)


def _precision(config: TrainConfig, device: torch.device) -> Precision:
    if config.precision == "auto":
        has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return "bf16" if has_bf16 else "fp32"
    return config.precision
