"""Prefect's global concurrency limits: one flow at a time crawls a partition, or uses a GPU."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import (
    GlobalConcurrencyLimitCreate,
    GlobalConcurrencyLimitUpdate,
)
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists
from prefect.runtime import deployment

_PREFIX = "webtext-"


@contextmanager
def occupied(names: Sequence[str]) -> Iterator[None]:
    """Wait until nobody else uses any of these, and use them while the body runs.

    They are made with one slot each where the server has none of the name; more slots, set there,
    let more in. A command, which somebody watches and whose server is its own, waits for nobody.

    Args:
        names: From `partition_limits` or `gpu_limits`.
    """
    if deployment.id is None or not names:
        yield
        return
    with get_client(sync_client=True) as client:
        known = {limit.name for limit in client.read_global_concurrency_limits(limit=200)}
        for name in names:
            if name not in known:
                with suppress(ObjectAlreadyExists):
                    new = GlobalConcurrencyLimitCreate(name=name, limit=1)
                    client.create_global_concurrency_limit(new)
    with concurrency(list(names), strict=True):
        yield


def partition_limits(num_partitions: int) -> list[str]:
    """A limit per partition of the hosts: two crawls of one would ask its hosts twice as often."""
    return [f"{_PREFIX}crawl-{index}-of-{num_partitions}" for index in range(num_partitions)]


def gpu_limits(num_processes: int) -> list[str]:
    """A limit per GPU of this machine that so many processes take; none on a machine without."""
    gpus = sorted(Path("/dev").glob("nvidia[0-9]*"))[:num_processes]
    return [f"{_PREFIX}gpu-{socket.gethostname()}-{path.name}" for path in gpus]


def free_all(client: SyncPrefectClient) -> None:
    """Let go of what a process held that was killed with its server."""
    for limit in client.read_global_concurrency_limits(limit=200):
        if limit.name.startswith(_PREFIX) and limit.active_slots:
            free = GlobalConcurrencyLimitUpdate(active_slots=0)
            client.update_global_concurrency_limit(limit.name, free)
