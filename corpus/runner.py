"""Who does a stage's tasks: processes of this machine, or the workers of a cluster.

A task is a function of a module and plain data that says where its shards lie; what it makes, it
writes there. So it may be done on any machine that sees the data folder, and done again.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing
from typing import Literal, Protocol, TypeVar

from corpus.parallel import WorkerPool, map_tasks
from corpus.settings import Section

T = TypeVar("T")
R = TypeVar("R")


class RunnerConfig(Section):
    """Who does the stages' tasks; no byte of what they make depends on it."""

    kind: Literal["process", "ray"] = "process"
    """`process`: worker processes of this machine. `ray`: tasks on a Ray cluster."""
    address: str = ""
    """Of the Ray cluster, HOST:PORT. Empty: RAY_ADDRESS, or without it a Ray of this machine for as
    long as the flow runs."""


class TaskPool(Protocol):
    """Workers that keep what they have loaded, for several rounds of tasks."""

    def map(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        """Yield `function(task)` for each task, as they finish; `tasks` may be a long generator."""
        ...


class Runner(Protocol):
    """Does tasks side by side."""

    @property
    def is_remote(self) -> bool:
        """Whether the tasks may run on other machines.

        A stage then hands out whole shards, where here it shares out pages, or has threads.
        """
        ...

    @property
    def num_workers(self) -> int | None:
        """Tasks that run at once; None: what the stage's `workers` says."""
        ...

    def map(self, function: Callable[[T], R], tasks: list[T], workers: int) -> Iterable[R]:
        """Yield `function(task)` for each task, as they finish.

        Raises:
            WebtextError: a worker was lost and the task could not be done again.
            Exception: what `function` raised, with its type and message.
        """
        ...

    def pool(self, workers: int) -> AbstractContextManager[TaskPool]:
        """Workers that keep what they have loaded until the context ends."""
        ...

    def follow(self, function: Callable[[T], object], task: T) -> Iterator[None]:
        """Do one task; yield once a second until it is done. Closing the iterator gives it up.

        Raises:
            WebtextError: as `map`.
            Exception: as `map`.
        """
        ...


class ProcessRunner:
    """Worker processes of this machine."""

    is_remote = False
    num_workers = None

    def map(self, function: Callable[[T], R], tasks: list[T], workers: int) -> Iterable[R]:
        """As `Runner.map`; with one worker in this process."""
        return map_tasks(function, tasks, workers)

    def pool(self, workers: int) -> AbstractContextManager[TaskPool]:
        """As `Runner.pool`."""
        return closing(WorkerPool(workers))

    def follow(self, function: Callable[[T], object], task: T) -> Iterator[None]:
        """As `Runner.follow`, in this process."""
        function(task)
        yield from ()
