"""The parent's end of the processes behind `crawler.documents.isolated`: it never waits for one.

A worker may be stopped, or killed halfway through a message; the parent goes on all the same.
"""

import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from crawler.documents.isolated_worker import (
    BORN,
    LENGTH,
    READY,
    REPORT,
    Task,
    main,
    receive,
    send,
)

_MAIN = f"from {main.__module__} import main; main()"
_RECEIVE_BYTES = 1 << 18
# A fork takes milliseconds; a nursery that needs this long is stopped, or swapped out for good.
_FORK_PATIENCE_S = 60.0
_DEATH_PATIENCE_S = 1.0


class Channel:
    """Whole messages over a non-blocking socket, in both directions."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._incoming = bytearray()
        self._outgoing = bytearray()
        self.is_open = True
        """Whether the other side was there when we last looked."""

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._socket.fileno()

    @property
    def has_outgoing(self) -> bool:
        """Whether `flush` has something to do."""
        return bool(self._outgoing)

    def send(self, message: bytes) -> None:
        """Send a message, as far as the other side takes it now; `flush` sends the rest."""
        self._outgoing += LENGTH.pack(len(message)) + message
        self.flush()

    def flush(self) -> None:
        """Send what is left to send, as far as the other side takes it now."""
        try:
            while self._outgoing:
                del self._outgoing[: self._socket.send(self._outgoing)]
        except BlockingIOError:
            pass
        except OSError:  # the other side is gone: `receive` will tell, after its last words
            self._outgoing.clear()

    def receive(self) -> Iterator[bytes]:
        """The whole messages that have come since the last call."""
        self._fill()
        while len(self._incoming) >= LENGTH.size:
            end = LENGTH.size + LENGTH.unpack_from(self._incoming)[0]
            if len(self._incoming) < end:
                return
            message = bytes(self._incoming[LENGTH.size : end])
            del self._incoming[:end]
            yield message

    def close(self) -> None:
        """Hang up."""
        self.is_open = False
        self._socket.close()

    def _fill(self) -> None:
        try:
            block = self._socket.recv(_RECEIVE_BYTES)
            while len(block) == _RECEIVE_BYTES:  # there may be more of it
                self._incoming += block
                block = self._socket.recv(_RECEIVE_BYTES)
            self._incoming += block
            self.is_open = bool(block)
        except BlockingIOError:
            pass
        except OSError:
            self.is_open = False


class NurseryError(OSError):
    """The nursery cannot start a worker; the message says why."""


class Nursery:
    """A process that forks workers for one task.

    Args:
        task: What the workers do; pickled.

    Raises:
        NurseryError: it does not start, most often because a function cannot be imported.
    """

    def __init__(self, task: Task) -> None:
        self._control, theirs = socket.socketpair()
        self._exit_codes: dict[int, int] = {}
        with theirs:
            self._process = subprocess.Popen(
                # -P: the current folder is no place to import from, PYTHONPATH says what is.
                [sys.executable, "-P", "-c", _MAIN, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # One thread per worker: more would fight for the cores, and may not be forked.
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(sys.path),
                    "OMP_NUM_THREADS": "1",
                    "OPENBLAS_NUM_THREADS": "1",
                },
                start_new_session=True,  # Ctrl-C is the parent's to answer
            )
        try:
            self._start(pickle.dumps(task))
        except BaseException:
            self.close()
            raise

    def _start(self, task: bytes) -> None:
        try:
            send(self._control, task)
            answer = receive(self._control)
        except OSError as exc:
            raise NurseryError(f"it ended while it started: {exc}") from exc
        if answer != READY:
            raise NurseryError((answer or b" it ended while it started")[1:].decode())

    def fork(self) -> tuple[int, Channel]:
        """A new worker: its process id, and the channel to it.

        Raises:
            OSError: the nursery is gone.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._control, [b"+"], [theirs.fileno()])
            while (report := self._next_report(_FORK_PATIENCE_S))[0] != BORN:
                self._exit_codes[report[1]] = report[2]
        except OSError:
            ours.close()
            raise
        return report[1], Channel(ours)

    def exit_code(self, worker: int) -> int | None:
        """What a worker that hung up ended with; a negative number is a signal, None unknown."""
        try:
            while worker not in self._exit_codes:
                self._wait_for_death(worker)
        except OSError:
            return None  # the nursery was killed, and its workers with it
        return self._exit_codes.pop(worker)

    def _wait_for_death(self, worker: int) -> None:
        try:
            _, process, code = self._next_report(_DEATH_PATIENCE_S)
        except TimeoutError:
            kill(worker)  # a page made it hang up and live on
            _, process, code = self._next_report(_FORK_PATIENCE_S)
        self._exit_codes[process] = code

    def close(self) -> None:
        """End it; the kernel ends its workers with it."""
        self._control.close()
        self._process.kill()
        self._process.wait()

    def _next_report(self, patience_s: float) -> tuple[int, int, int]:
        self._control.settimeout(patience_s)
        data = b""
        while len(data) < REPORT.size:
            block = self._control.recv(REPORT.size - len(data))
            if not block:
                raise NurseryError("it was killed")
            data += block
        return REPORT.unpack(data)


def kill(worker: int) -> None:
    """End a worker at once, whatever it does."""
    with suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)


def resident_bytes(worker: int) -> int:
    """Memory that a worker holds now, shared pages included; 0 where the system does not say."""
    try:
        fields = Path(f"/proc/{worker}/statm").read_text().split()
    except OSError:
        return 0
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
