"""The processes that train together: how they find each other, and how one that is lost is noticed.

torchrun watches its processes: when one dies it stops the others and starts all of them again,
from the last checkpoint. One that hangs is noticed by the others, whose collective calls wait for
it a minute and then fail.
"""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import (
    PrefixStore,  # pyright: ignore[reportPrivateImportUsage]
    Store,  # pyright: ignore[reportPrivateImportUsage]
    TCPStore,  # pyright: ignore[reportPrivateImportUsage]
)

LOST_AFTER = timedelta(seconds=60)
"""A collective call that takes longer has lost somebody."""

# For what may rightly take one process longer than the others: compiling, writing a checkpoint.
_PATIENCE = timedelta(minutes=30)
_BEAT, _BEAT_S, _POLL_S = "beat", 5.0, 0.05


@dataclass(frozen=True)
class Process:
    """This process among those that train together."""

    rank: int
    world_size: int
    device: torch.device
    store: Store | None = field(default=None, compare=False)
    """What they share beside collective calls; None for one process alone."""

    @property
    def is_main(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0

    def sum(self, values: Sequence[float | Tensor]) -> list[float]:
        """The sum over all processes of each of some numbers."""
        numbers = [torch.as_tensor(value).double().to(self.device) for value in values]
        total = torch.stack(numbers)
        if self.world_size > 1:
            dist.all_reduce(total)
        return total.tolist()

    def agree(self, name: str, value: str) -> str:
        """Rank 0's `value`, in all processes; `name` is unused so far."""
        if self.store is None:
            return value
        if self.is_main:
            self.store.set(name, value)
        return self.store.get(name).decode()

    def wait_for_all(self, name: str) -> None:
        """Return when every process has called this with the same, so far unused, name.

        Unlike a collective call it gives them half an hour, while they show signs of life.

        Raises:
            TimeoutError: one of them is lost.
        """
        if self.store is None:
            return
        self.store.set(f"{name}/{self.rank}", "here")
        began = time.monotonic()
        for rank in range(self.world_size):
            beat, changed_at = b"", time.monotonic()
            while not self.store.check([f"{name}/{rank}"]):
                time.sleep(_POLL_S)
                newest, now = self.store.get(f"{_BEAT}/{rank}"), time.monotonic()
                if newest != beat:
                    beat, changed_at = newest, now
                if now - changed_at > LOST_AFTER.seconds or now - began > _PATIENCE.seconds:
                    raise TimeoutError(f"process {rank} did not come to {name!r}")


@contextmanager
def process_group(device: Literal["auto", "cpu", "cuda"]) -> Iterator[Process]:
    """This process's place, from torchrun's or Ray's environment; on its own without one."""
    rank, world_size = (int(os.environ.get(k, d)) for k, d in (("RANK", "0"), ("WORLD_SIZE", "1")))
    kind = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    place = torch.device(kind)
    if kind == "cuda":
        place = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(place)
        torch.set_float32_matmul_precision("high")  # what autocast leaves in fp32 may be TF32
    if world_size == 1:
        yield Process(rank, world_size, place)
        return
    store = _store(rank, world_size)
    threading.Thread(target=_show_life, args=(store, rank), daemon=True).start()
    is_ours = not dist.is_initialized()  # Ray's workers have joined before
    if is_ours:
        dist.init_process_group(
            "nccl" if kind == "cuda" else "gloo",
            store=PrefixStore("collectives", store),
            rank=rank,
            world_size=world_size,
            timeout=LOST_AFTER,
            device_id=place if kind == "cuda" else None,
        )
    try:
        yield Process(rank, world_size, place, store)
    finally:
        if is_ours:
            dist.destroy_process_group()


def _show_life(store: Store, rank: int) -> None:
    """Count aloud until the store is gone: it ends with the attempt."""
    count = 0
    with suppress(RuntimeError):
        while True:
            store.set(f"{_BEAT}/{rank}", str(count))
            count += 1
            time.sleep(_BEAT_S)


def _store(rank: int, world_size: int) -> Store:
    """The store of this attempt: what an attempt before it wrote would send us to dead addresses.

    (torch 2.13 keeps one store for all restarts, and gloo fails on what it finds there.)
    """
    # torchrun's own process holds the store, or the one that Ray made the group with.
    hosted = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True" or dist.is_initialized()
    store = TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        world_size,
        is_master=rank == 0 and not hosted,
        timeout=_PATIENCE,
    )
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return PrefixStore(f"webtext-attempt-{attempt}", store)
