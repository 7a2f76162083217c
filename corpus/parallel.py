"""One pool of worker processes for a stage's shards; workers die with the process they serve."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from itertools import islice
from typing import TypeVar

from corpus.errors import PassingError

T = TypeVar("T")
R = TypeVar("R")


class WorkerPool:
    """Worker processes that keep what they have loaded, for several rounds of tasks."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        # spawn, not fork: a forked child inherits locks that a thread of ours may hold for ever.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_enter_worker)

    def map(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        """Yield `function(task)` for each task, as they finish.

        At most two tasks per worker are in flight, so `tasks` may be a long generator. `function`
        and the tasks are pickled: a module-level function and plain data.

        Raises:
            WebtextError: a worker was killed from outside (most often: out of memory).
            Exception: what `function` raised; close the pool then.
        """
        remaining = iter(tasks)
        submit = self._pool.submit
        running = {submit(function, task) for task in islice(remaining, 2 * self._workers)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {submit(function, task) for task in islice(remaining, len(done))}
            for future in done:
                yield _result(future)

    def close(self) -> None:
        """Give up the tasks in flight; the processes end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def map_in_processes(function: Callable[[T], R], tasks: Iterable[T], workers: int) -> Iterator[R]:
    """`WorkerPool.map` with a pool of its own; what `function` raises gives up the other tasks."""
    with closing(WorkerPool(workers)) as pool:
        yield from pool.map(function, tasks)


def map_tasks(function: Callable[[T], R], tasks: list[T], workers: int) -> Iterable[R]:
    """As `map_in_processes`; with one worker in this process, where a small task is done sooner."""
    return map(function, tasks) if workers == 1 else map_in_processes(function, tasks, workers)


def _result(future: Future[R]) -> R:
    try:
        return future.result()
    except BrokenProcessPool as exc:
        raise PassingError(
            "a worker process was killed, most often because memory ran out",
            hint="Run the same command again with fewer --workers: finished shards are kept.",
        ) from exc


def _enter_worker() -> None:
    # Ctrl-C reaches the whole process group: only the parent answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    # A worker blocked on its queue outlives a kill -9 of its parent for ever otherwise.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
