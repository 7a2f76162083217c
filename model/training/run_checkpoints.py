"""Writes the checkpoints of a training while it goes on, and keeps only those worth their room."""

import math
import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from corpus.atomic import write_bytes
from corpus.errors import WebtextError
from corpus.tokenizer import Tokenizer
from model.checkpoint import save_weights
from model.settings import GPT2Config
from model.tensor_file import write_tensors
from model.training.training_state import (
    RUN_CHECKPOINTS,
    STATE,
    TrainingState,
    complete_steps,
    optimizer_file,
    step_folder,
)
from model.training.whole_folders import put_in_place, remove_folder, remove_hidden

_PATIENCE_S = 600.0
"""How long rank 0 waits for the other ranks' files: a slow shared file system, not a dead rank,
which ends the whole group within a minute."""

_POLL_S = 0.1


class RunCheckpoints:
    """The checkpoints of one training, each a folder that is complete when it has its name.

    A checkpoint is written to a hidden folder beside its place by a thread of each rank: every
    rank its share of the optimizer, rank 0 the rest. Rank 0 renames the folder once all files are
    there; the ranks meet in the file system only, as a collective in a thread would get in the
    way of the training's own.

    All ranks must be made before the first step. Rank 0 then clears away what killed attempts
    left, and no rank can be at its first `save` yet, as rank 0 has to take part in the gradients
    of the step before it. A rank of an earlier attempt that is not dead yet writes into a folder
    of another name.

    Args:
        output: The run's folder, on a file system that all ranks share.
        config: The model's shape.
        tokenizer: The vocabulary, which each checkpoint gets a copy of.
        keep: How many of the newest checkpoints stay.
        milestone_every: Steps between checkpoints that stay for good; None: there are none.
        rank: This process's place among those that write.
        world_size: Processes that write: all, where each holds a share of the optimizer (ZeRO-1),
            else rank 0 alone.
        attempt: The same on all ranks and another one each time that they start: part of a file's
            name. One process alone needs none.
    """

    def __init__(
        self,
        output: Path,
        config: GPT2Config,
        tokenizer: Tokenizer,
        keep: int,
        milestone_every: int | None,
        rank: int = 0,
        world_size: int = 1,
        attempt: str = "0",
    ) -> None:
        self._folder = output / RUN_CHECKPOINTS
        self._config = config
        self._tokenizer = tokenizer
        self._keep = keep
        self._milestone_every = milestone_every
        self._rank = rank
        self._world_size = world_size
        self._attempt = attempt
        self._weights = _HostCopies()
        self._optimizer = _HostCopies()
        self._thread: threading.Thread | None = None
        self._trainer = threading.current_thread()
        self._error: BaseException | None = None
        if rank == 0:
            remove_hidden(self._folder, "step-")

    def save(
        self, state: TrainingState, weights: Mapping[str, Tensor], optimizer: Mapping[str, Tensor]
    ) -> None:
        """Copy the tensors and let a thread write them; they may change after the return.

        Waits for an earlier `save` first, so that one copy in memory is enough. All ranks must
        call it at the same steps.

        Args:
            state: Where the training stands.
            weights: The model's state dict; only rank 0's is read.
            optimizer: The share of the optimizer's state that this rank holds.

        Raises:
            WebtextError: an earlier `save` failed.
        """
        self.wait()
        copies = self._weights.copy(weights) if self._rank == 0 else {}
        shares = self._optimizer.copy(optimizer)
        arguments = (state.step, state.to_json(), copies, shares)
        self._trainer = threading.current_thread()
        # Not a daemon: where the training dies of something else, this checkpoint still counts.
        self._thread = threading.Thread(target=self._run, args=arguments, name="checkpoint")
        self._thread.start()

    def wait(self) -> None:
        """Wait until the last `save` is on disk; call it before the training ends.

        Raises:
            WebtextError: it failed.
        """
        if self._thread:
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        if error:
            raise error

    def check_room(self, num_bytes: int, step: int = 0, last_step: int = 0) -> None:
        """See that checkpoints can be written, before hours of training depend on it.

        Args:
            num_bytes: Size of one checkpoint, of all ranks' files together.
            step: Steps done; the milestones after it need room too.
            last_step: The step at which the training ends.

        Raises:
            WebtextError: the folder cannot be written, or the disk is too small.
        """
        probe = self._folder / f".probe-{self._rank}"
        try:
            write_bytes(probe, bytes(4096))
            probe.unlink()
            free = shutil.disk_usage(self._folder).free
        except (OSError, WebtextError) as exc:
            raise self._not_written(self._folder, exc) from exc
        every = self._milestone_every or math.inf
        num_milestones = int(last_step // every - step // every)
        there = min(self._keep, len(complete_steps(self._folder)))
        needed = (self._keep + 1 + num_milestones - there) * num_bytes
        if free < needed:
            raise WebtextError(
                f"the disk of {self._folder} has {free / 1e9:.2f} GB left, but checkpoints need "
                f"{needed / 1e9:.2f} GB more: {self._keep} are kept, one is being written, and "
                f"{num_milestones} are milestones, of {num_bytes / 1e9:.2f} GB each",
                hint="Free some disk space, lower train.keep_checkpoints, raise "
                "train.milestone_every, or choose another folder with --data.",
            )

    def _run(
        self, step: int, state: bytes, weights: dict[str, Tensor], optimizer: dict[str, Tensor]
    ) -> None:
        final = step_folder(self._folder, step)
        temporary = final.with_name(f".{final.name}.{self._attempt}.tmp")
        try:
            name = optimizer_file(self._rank, self._world_size)
            write_tensors(temporary / name, optimizer)
            if self._rank == 0:
                save_weights(temporary, weights, self._config, self._tokenizer, step)
                write_bytes(temporary / STATE, state)
                self._await_shares(temporary)
                put_in_place(temporary, final)
                self._retire_older()
        except (OSError, WebtextError) as exc:
            self._error = self._not_written(final, exc)
            self._error.__cause__ = exc
        except BaseException as exc:  # whatever it is, `wait` raises it
            self._error = exc
        if self._error and self._rank == 0:
            shutil.rmtree(temporary, ignore_errors=True)  # room for whoever filled the disk

    def _await_shares(self, temporary: Path) -> None:
        wanted = {optimizer_file(rank, self._world_size) for rank in range(self._world_size)}
        deadline = time.monotonic() + _PATIENCE_S
        while missing := wanted - {path.name for path in temporary.iterdir()}:
            # A training that failed must end, and nobody may be there any more to write the rest.
            if time.monotonic() > deadline or not self._trainer.is_alive():
                raise TimeoutError(f"{', '.join(sorted(missing))} did not come from its rank")
            time.sleep(_POLL_S)

    def _retire_older(self) -> None:
        remove_hidden(self._folder, "step-*.old")
        every = self._milestone_every
        for step in complete_steps(self._folder)[: -self._keep]:
            if not (every and step % every == 0):
                remove_folder(step_folder(self._folder, step))

    def _not_written(self, path: Path, exc: Exception) -> WebtextError:
        reason = exc.message if isinstance(exc, WebtextError) else getattr(exc, "strerror", None)
        return WebtextError(
            f"{path} cannot be written: {reason or exc}",
            hint=f"See that {self._folder} can be written and its disk has room, then run the same "
            "command again: the training goes on from its newest checkpoint.",
        )


class _HostCopies:
    """Copies of tensors in CPU memory that is allocated once and used for every copy."""

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}

    def copy(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors as they are now; valid until the next call."""
        for name, tensor in tensors.items():
            buffer = self._buffers.get(name)
            if buffer is None or (buffer.shape, buffer.dtype) != (tensor.shape, tensor.dtype):
                # Page-locked memory takes a GPU's copies at the full speed of the bus, and only
                # into it does `non_blocking` let them follow one another without a stop.
                buffer = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)
                self._buffers[name] = buffer
            buffer.copy_(tensor.detach(), non_blocking=True)
        for device in {tensor.device for tensor in tensors.values() if tensor.is_cuda}:
            torch.cuda.current_stream(device).synchronize()
        return {name: self._buffers[name] for name in tensors}
