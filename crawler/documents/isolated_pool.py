"""The loop behind `crawler.documents.isolated`: pages out to the workers, answers back in order."""

import pickle
import selectors
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from corpus.errors import WebtextError
from crawler.documents.isolated_channel import Channel, Nursery, kill, resident_bytes
from crawler.documents.isolated_failures import (
    WALL_PER_CPU_TIME,
    Failure,
    failure_by_memory,
    failure_by_time,
    failure_of_exit,
    is_out_of_time,
)
from crawler.documents.isolated_worker import FAILED, OUT_OF_MEMORY, READY, REFUSED, Task

T = TypeVar("T")

# Pages that wait at each worker while the caller is busy with results: some 0.15 s of work.
_PAGES_PER_WORKER = 4
# Results that may wait, per worker, for a page before them that hangs: the others go on meanwhile.
_PAGES_AHEAD = 1000
_BYTES_AHEAD = 64 << 20
_LOOK_EVERY_S = 0.25
_MAX_TRIES = 2
_MAX_FAILED_STARTS = 3
_END = object()


@dataclass(slots=True, eq=False)
class Page:
    """A page on its way from input to output."""

    data: bytes
    num_tries: int = 0
    answer: bytes | Failure | None = None


@dataclass(slots=True, eq=False)
class Worker:
    """One place at work, taken by one process after another."""

    backlog: deque[Page] = field(default_factory=deque)
    """The pages it was sent and has not answered; it works at the first."""
    num_left: int = 0
    """Pages that its process may still be sent."""
    process: int = 0
    channel: Channel | None = None
    """The way to its process; None: it has none."""
    nursery: Nursery | None = None
    """Where its process came from, and who knows how it ended."""
    is_ready: bool = False
    since_s: float = 0.0
    """When it was last heard of."""
    verdict: Failure | None = None
    """Why its process was, or is to be, ended."""


class Pool(Generic[T]):
    """The workers, and the pages between input and output.

    One thread and no locks: everything happens in `feed` and `work`, which the caller drives by
    taking results.
    """

    def __init__(self, task: Task, num_workers: int) -> None:
        self._task = task
        self._limits = task.limits
        self._workers = [Worker() for _ in range(num_workers)]
        self._nursery: Nursery | None = None
        self._selector = selectors.DefaultSelector()
        self._ahead: deque[Page] = deque()  # in the order of the input
        self._bytes_ahead = 0
        self._num_failed_starts = 0
        self._next_look_s = 0.0

    def feed(self, pages: Iterator[T]) -> bool:
        """Give the workers enough to do; False when every page is done and its result taken."""
        while self._has_room() and (worker := self._least_busy()):
            page = next(pages, _END)
            if page is _END:
                break
            self._give(worker, Page(pickle.dumps(page, pickle.HIGHEST_PROTOCOL)))
        return bool(self._ahead)

    def work(self) -> None:
        """Hear the workers out, replace those that ended, end those that must; wait for one."""
        for key, events in self._selector.select(0 if self.has_next else _LOOK_EVERY_S):
            worker: Worker = key.data
            if events & selectors.EVENT_WRITE and worker.channel:
                worker.channel.flush()
            if events & selectors.EVENT_READ and worker.channel:
                self._hear(worker, worker.channel)
            self._watch(worker)
        if time.monotonic() > self._next_look_s:
            self._next_look_s = time.monotonic() + _LOOK_EVERY_S
            for worker in self._workers:
                self._look_at(worker)

    @property
    def has_next(self) -> bool:
        """Whether the first page that was not taken yet is done."""
        return bool(self._ahead) and self._ahead[0].answer is not None

    def take_next(self) -> bytes | Failure:
        """The answer to that page."""
        answer = self._ahead.popleft().answer
        assert answer is not None
        self._bytes_ahead -= _num_bytes(answer)
        return answer

    def close(self) -> None:
        """End all workers at once."""
        if self._nursery:
            self._nursery.close()
        for worker in self._workers:
            self._hang_up(worker)
        self._selector.close()

    def _has_room(self) -> bool:
        num_workers = len(self._workers)
        return (
            len(self._ahead) < _PAGES_AHEAD * num_workers
            and self._bytes_ahead < _BYTES_AHEAD * num_workers
        )

    def _least_busy(self) -> Worker | None:
        free = (
            worker
            for worker in self._workers
            # One that has served its time finishes what it has, and makes room for a fresh one.
            if not worker.backlog or (worker.num_left and len(worker.backlog) < _PAGES_PER_WORKER)
        )
        return min(free, key=lambda worker: len(worker.backlog), default=None)

    def _give(self, worker: Worker, page: Page) -> None:
        self._ahead.append(page)
        self._bytes_ahead += len(page.data)
        if not worker.num_left:
            self._start(worker)
        worker.backlog.append(page)
        self._send(worker, page)

    def _send(self, worker: Worker, page: Page) -> None:
        if page is worker.backlog[0]:
            worker.since_s = time.monotonic()
        worker.num_left -= 1
        if worker.channel:
            worker.channel.send(page.data)
            self._watch(worker)

    def _start(self, worker: Worker) -> None:
        """Put a fresh process in a worker's place, and send it the worker's backlog."""
        self._hang_up(worker)
        while worker.channel is None:
            try:
                self._nursery = self._nursery or Nursery(self._task)
                worker.process, worker.channel = self._nursery.fork()
            except OSError as exc:
                self._count_failed_start(str(exc))
                if self._nursery:
                    self._nursery.close()
                self._nursery = None
        worker.nursery, worker.is_ready, worker.verdict = self._nursery, False, None
        worker.num_left = self._limits.recycle_after
        self._selector.register(worker.channel, selectors.EVENT_READ, worker)
        for page in worker.backlog:
            self._send(worker, page)

    def _hang_up(self, worker: Worker) -> None:
        if worker.channel:
            self._selector.unregister(worker.channel)
            worker.channel.close()
        worker.channel, worker.num_left = None, 0

    def _watch(self, worker: Worker) -> None:
        if worker.channel:
            wanted = selectors.EVENT_READ
            if worker.channel.has_outgoing:
                wanted |= selectors.EVENT_WRITE
            if self._selector.get_key(worker.channel).events != wanted:
                self._selector.modify(worker.channel, wanted, worker)

    def _hear(self, worker: Worker, channel: Channel) -> None:
        for message in channel.receive():
            kind, rest = message[:1], message[1:]
            if kind == READY:
                worker.is_ready, self._num_failed_starts = True, 0
                worker.since_s = time.monotonic()
            elif kind == REFUSED:
                raise WebtextError(
                    f"a worker takes {rest.decode()}, too much for its limit of"
                    f" {self._limits.memory_bytes >> 20} MiB",
                    hint="Give the workers of the stage more memory (memory_bytes).",
                )
            elif kind == OUT_OF_MEMORY:  # its last words
                worker.verdict = failure_by_memory(self._limits)
            elif kind == FAILED:
                self._settle(worker, Failure("extract_error", rest.decode()))
            else:
                self._settle(worker, message)
        if not channel.is_open:
            self._replace(worker)

    def _settle(self, worker: Worker, answer: bytes | Failure) -> None:
        page = worker.backlog.popleft()
        self._bytes_ahead += _num_bytes(answer) - len(page.data)
        page.answer, page.data = answer, b""
        worker.since_s = time.monotonic()

    def _replace(self, worker: Worker) -> None:
        """A worker's process has ended: judge the page it was at, and go on with the others."""
        assert worker.nursery is not None
        code = worker.nursery.exit_code(worker.process)
        failure = worker.verdict or failure_of_exit(code, self._limits)
        if not worker.is_ready:
            self._count_failed_start(f"{failure.reason}, {failure.detail}")
        elif worker.backlog:
            page = worker.backlog[0]
            page.num_tries += 1
            if page.num_tries == _MAX_TRIES or is_out_of_time(code):
                self._settle(worker, failure)
        if worker.backlog:
            self._start(worker)
        else:
            self._hang_up(worker)

    def _look_at(self, worker: Worker) -> None:
        """End a process that waits for ever, or holds memory that no limit of the kernel counts."""
        if not worker.backlog or worker.channel is None or worker.verdict:
            return
        waited_s = time.monotonic() - worker.since_s
        if waited_s > WALL_PER_CPU_TIME * self._limits.timeout_s:
            worker.verdict = failure_by_time(self._limits)
        elif resident_bytes(worker.process) > self._limits.memory_bytes:
            worker.verdict = failure_by_memory(self._limits)
        if worker.verdict:
            kill(worker.process)

    def _count_failed_start(self, why: str) -> None:
        self._num_failed_starts += 1
        if self._num_failed_starts == _MAX_FAILED_STARTS:
            raise WebtextError(
                f"no worker process starts: {why}",
                hint="See that memory and process numbers suffice and that the packages import.",
            )


def _num_bytes(answer: bytes | Failure) -> int:
    return len(answer) if isinstance(answer, bytes) else 0
