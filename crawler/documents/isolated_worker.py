"""The far side of `crawler.documents.isolated`: a nursery that forks workers, and what they do.

The nursery imports the function and loads all it needs once, then forks: a worker is there in some
10 ms, instead of the seconds of a new interpreter, and shares the nursery's memory. It has one
thread and runs no page, which is what makes forking safe here and is not true of the parent.

Every limit is the kernel's, since a page stuck in a C call lets no Python code run, neither signal
handlers nor threads:

- CPU time: ITIMER_PROF counts it and SIGPROF, which nobody handles, kills.
- Memory: RLIMIT_DATA (anonymous memory, Linux 4.7 on), not RLIMIT_AS: libraries reserve address
  space that they never use. Close to the limit a library may swallow the MemoryError and give half
  a text, so a worker that comes near it does not trust what it computed.
- Life: PR_SET_PDEATHSIG kills workers with the nursery, and the nursery ends with the parent.
"""

import ctypes
import gc
import os
import pickle
import re
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from corpus.errors import WebtextError

READY, REFUSED, DONE, FAILED, OUT_OF_MEMORY, FATAL = (bytes([kind]) for kind in range(6))
"""First byte of a message to the parent: what the rest is."""

BORN, DIED = 0, 1
"""What the nursery reports of a process id."""

REPORT = struct.Struct("<iii")
"""A report of the nursery: BORN or DIED, the process id, the exit code (negative: a signal)."""

LENGTH = struct.Struct("<Q")
"""What precedes each message: its length in bytes."""

NEARLY_FULL = 0.75
"""The share of the memory limit from which on a result is not trusted."""

_PR_SET_PDEATHSIG = 1
# The addresses of objects in a message differ from run to run, a reject's bytes must not.
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}")
_MAX_DETAIL_CHARS = 200


@dataclass(frozen=True, slots=True)
class Limits:
    """What one page may cost its worker, and how long a worker serves."""

    timeout_s: float = 30.0
    """CPU seconds per page. Four times as long may pass on the clock: a machine may be loaded."""
    memory_bytes: int = 1 << 30
    """Memory of one worker, code included; a page is guilty from three quarters of it on."""
    recycle_after: int = 1000
    """Pages that a worker serves before a fresh one takes its place, so that no leak adds up."""


class Task(NamedTuple):
    """What the workers do."""

    function: Callable
    """Run on each page."""
    limits: Limits
    prepare: Callable[[], object] | None = None
    """Run once, before the first of them is forked."""


def main() -> None:
    """Be the nursery; the one argument is the descriptor of its socket to the parent."""
    control = socket.socket(fileno=int(sys.argv[1]))
    with suppress(OSError):  # the parent is gone
        _be_nursery(control)


def _be_nursery(control: socket.socket) -> None:
    if (task := receive(control)) is None:
        return
    try:
        function, limits, prepare = pickle.loads(task)
        if prepare is not None:
            prepare()
    except Exception as exc:
        send(control, REFUSED + describe(exc))
        return
    # What is loaded by now is never garbage: collections in the workers need not look at it,
    # nor touch its pages, which stay shared.
    gc.collect()
    gc.freeze()
    send(control, READY)
    signal.signal(signal.SIGCHLD, lambda *_: _report_deaths(control))
    while descriptors := socket.recv_fds(control, 1, 1)[1]:
        _fork_worker(control, descriptors[0], function, limits)


def send(connection: socket.socket, message: bytes) -> None:
    """Send one message; wait until it is on its way."""
    connection.sendall(LENGTH.pack(len(message)))
    connection.sendall(message)


def receive(connection: socket.socket) -> bytes | None:
    """Wait for one message; None: the other side is gone."""
    head = _receive_exactly(connection, LENGTH.size)
    return None if head is None else _receive_exactly(connection, *LENGTH.unpack(head))


def describe(error: BaseException) -> bytes:
    """An error's type and message in one short line of UTF-8, the same in every run."""
    try:
        message = _ADDRESS.sub("0x...", str(error))
    except Exception:  # its own __str__ may be what is broken
        message = ""
    line = " ".join(f"{type(error).__name__}: {message}".split())[:_MAX_DETAIL_CHARS]
    return line.rstrip(": ").encode(errors="replace")


def _receive_exactly(connection: socket.socket, num_bytes: int) -> bytes | None:
    data = bytearray(num_bytes)
    view, num_received = memoryview(data), 0
    while num_received < num_bytes:
        count = connection.recv_into(view[num_received:])
        if count == 0:
            return None
        num_received += count
    return bytes(data)


def _report_deaths(control: socket.socket) -> None:
    try:
        while (child := os.waitpid(-1, os.WNOHANG))[0]:
            code = os.waitstatus_to_exitcode(child[1])
            control.sendall(REPORT.pack(DIED, child[0], code))
    except ChildProcessError:
        pass  # all are reported
    except OSError:
        os._exit(0)  # the parent is gone


def _fork_worker(
    control: socket.socket, descriptor: int, function: Callable, limits: Limits
) -> None:
    nursery = os.getpid()
    if (worker := os.fork()) == 0:
        _be_worker(control, descriptor, function, limits, nursery)
    os.close(descriptor)
    control.sendall(REPORT.pack(BORN, worker, 0))


def _be_worker(
    control: socket.socket, descriptor: int, function: Callable, limits: Limits, nursery: int
) -> NoReturn:
    """Never return into the nursery's loop, whatever happens."""
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        control.close()
        _die_with(nursery)
        _be_silent()
        _serve(socket.socket(fileno=descriptor), function, limits)
        status = 0
    finally:
        os._exit(status)


def _serve(connection: socket.socket, function: Callable, limits: Limits) -> None:
    """Answer pages, in order, until the parent hangs up."""
    _limit_memory(limits.memory_bytes)
    if _is_nearly_full(limits):
        send(connection, REFUSED + b"%d MiB before its first page" % (_peak_bytes() >> 20))
        return
    send(connection, READY)
    while (page := receive(connection)) is not None:
        answer = _answer(function, page, limits)
        send(connection, answer)
        if answer == OUT_OF_MEMORY:
            return


def _answer(function: Callable, page: bytes, limits: Limits) -> bytes:
    signal.setitimer(signal.ITIMER_PROF, limits.timeout_s)
    try:
        result = function(pickle.loads(page))
        answer = DONE + pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
    except MemoryError:
        return OUT_OF_MEMORY
    except WebtextError as exc:  # for a person to mend, such as a damaged archive: no page's fault
        answer = FATAL + pickle.dumps(exc)
    except Exception as exc:
        answer = FAILED + describe(exc)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return OUT_OF_MEMORY if _is_nearly_full(limits) else answer


def _is_nearly_full(limits: Limits) -> bool:
    return _peak_bytes() > NEARLY_FULL * limits.memory_bytes


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _limit_memory(num_bytes: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = num_bytes if hard == resource.RLIM_INFINITY else min(num_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a gigabyte on disk per segfault otherwise


def _die_with(nursery: int) -> None:
    if sys.platform == "linux":  # elsewhere a worker in the middle of a page ends it first
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != nursery:  # it went before we asked
            os._exit(1)


def _be_silent() -> None:
    # Parsers report odd pages on stderr, which is the progress display's.
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
