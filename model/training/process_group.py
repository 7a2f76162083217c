"""The processes that train together: how they find each other, and how one that is lost is noticed.

torchrun watches its processes: when one dies it stops the others and starts all of them again,
from the last checkpoint. One that hangs is noticed by the others within a minute: a collective call
waits for it no longer, and where they wait otherwise they miss its signs of life.
"""

import itertools
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

from corpus.errors import UsageError

LOST_AFTER = timedelta(seconds=60)
"""A collective call that takes longer has lost somebody; so has who sees no life for so long."""

# For what may rightly take one process longer than the others: compiling, writing a checkpoint.
_PATIENCE = timedelta(minutes=30)
_BEATS = 12  # within LOST_AFTER
_POLL_S = 0.05


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
        """Rank 0's `value`, in all processes; `name` is unused so far.

        Raises:
            TimeoutError: rank 0 is lost.
        """
        if self.store is None:
            return value
        if self.is_main:
            self.store.set(name, value)
        _wait_for(self.store, 0, name)
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
        for rank in range(self.world_size):
            _wait_for(self.store, rank, f"{name}/{rank}")


@contextmanager
def process_group(device: Literal["auto", "cpu", "cuda"]) -> Iterator[Process]:
    """This process's place, from torchrun's or Ray's environment; on its own without one.

    Raises:
        UsageError: there are fewer GPUs than processes.
    """
    rank, world_size = (int(os.environ.get(k, d)) for k, d in (("RANK", "0"), ("WORLD_SIZE", "1")))
    kind = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    place = torch.device(kind)
    if kind == "cuda":
        place = _own_gpu()
        torch.cuda.set_device(place)
        torch.set_float32_matmul_precision("high")  # what autocast leaves in fp32 may be TF32
    if world_size == 1:
        yield Process(rank, world_size, place)
        return
    store = _store(rank, world_size)
    is_ours = not dist.is_initialized()  # Ray's workers have joined before
    with _showing_life(store, rank):
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


def _own_gpu() -> torch.device:
    index, found = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if index >= found:
        raise UsageError(
            f"process {index} of this machine needs a GPU of its own, and there are {found}",
            hint="Lower train.processes, or compute on the CPU: --set train.device=cpu.",
        )
    return torch.device("cuda", index)


@contextmanager
def _showing_life(store: Store, rank: int) -> Iterator[None]:
    """Count aloud, so that the others can tell a slow process from one that hangs."""
    is_over = threading.Event()
    every = LOST_AFTER.total_seconds() / _BEATS

    def count() -> None:
        with suppress(RuntimeError):  # the store is gone, and with it who would listen
            for number in itertools.count():
                store.set(_beat(rank), str(number))
                if is_over.wait(every):
                    return

    thread = threading.Thread(target=count, name="signs of life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(every)  # Python's end may abort the process where a thread is in C++


def _beat(rank: int) -> str:
    return f"beat/{rank}"


def _wait_for(store: Store, rank: int, key: str) -> None:
    """Return when process `rank` has set `key`; TimeoutError when it seems lost.

    A `get` that waits would keep the store from the thread that shows our own life.
    """
    began = changed_at = time.monotonic()
    newest = b""
    while not store.check([key]):
        time.sleep(_POLL_S)
        beat = store.get(_beat(rank)) if store.check([_beat(rank)]) else b""
        now = time.monotonic()
        if beat != newest:
            newest, changed_at = beat, now
        if now - changed_at > LOST_AFTER.total_seconds():
            raise TimeoutError(f"process {rank} shows no life: it did not come to {key!r}")
        if now - began > _PATIENCE.total_seconds():
            raise TimeoutError(f"process {rank} lives, but did not come to {key!r}")


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
    # Several torchruns need not count alike; there each round has a store of its own.
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") if hosted else "0"
    return PrefixStore(f"webtext-attempt-{attempt}", store)
