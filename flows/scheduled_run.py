"""What a flow has around it that a schedule or an event starts, and no command."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar
from uuid import UUID

from prefect import Flow
from prefect.runtime import flow_run

from corpus.storage.mirror import open_data, push_data
from flows.prefect_logs import SERVED_BY
from flows.watch_runs import check_survives

P = ParamSpec("P")
R = TypeVar("R")

_LOOK_EVERY_S = 0.5


@contextmanager
def scheduled_run(data: str) -> Iterator[Path]:
    """Yield the data folder to work in; where it mirrors a bucket, bring there what is finished.

    Args:
        data: A folder, or an s3:// URL.

    Raises:
        WebtextError: the process of this run died each time that it began.
    """
    if parent := os.environ.get(SERVED_BY):
        threading.Thread(target=_end_with, args=(int(parent),), daemon=True).start()
    check_survives(UUID(flow_run.id))
    folder = open_data(data)
    try:
        yield folder
    finally:
        push_data(folder)


def within(flow: Flow[P, R], hours: float | None) -> Flow[P, R]:
    """The flow with a time limit, at which it ends as TimedOut; None: without one."""
    return flow if hours is None else flow.with_options(timeout_seconds=hours * 3600)


def _end_with(parent: int) -> None:
    """Kill this process and what it started when the one that started it is gone.

    By kill -9 of `webtext serve`, whose server goes with it, a flow could not end in good order.
    """
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os.kill(os.getpid(), signal.SIGKILL)
