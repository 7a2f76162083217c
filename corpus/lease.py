"""A folder that one process works in, on whatever machine: a lease that its owner renews.

A lease is a file `.lease-00000007` in the folder; the highest number counts. Nobody ever writes
over another's file: to take the folder is to make the next number, which only one process can
(link), and to give it up is to empty the own one. So an owner that was stopped and wakes up finds a
higher number than its own, and nothing that it does on waking can undo that.

Who judges another's lease compares no clocks for longer than it takes to suspect it. On one machine
the owner is there, or it is gone and its lease with it. An owner elsewhere, or one that is stopped,
is suspected when its file looks older than a lease lasts, or younger than now: a clock that
jumped does that too. Then the file is watched, by a clock that does not jump, and taken only if it
is not renewed for as long as a lease lasts.
"""

import _thread
import os
import shlex
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import orjson
from pydantic import ValidationError

from corpus.errors import WebtextError
from corpus.redact import redact
from corpus.settings import Section

LEASE_S = 30.0
"""Seconds after which a lease that is not renewed is over."""

_RENEWALS = 5  # in the time that a lease lasts
_PREFIX = ".lease-"


class Owner(Section):
    """Who holds a lease."""

    host: str
    boot: str
    """The machine's boot id: process ids of an earlier one mean nothing."""
    pid: int
    started: str
    """When the process began, as the kernel counts: ids are given again."""
    command: str
    since: datetime

    @classmethod
    def this_process(cls) -> "Owner":
        """Us."""
        return cls(
            host=socket.gethostname(),
            boot=_boot_id(),
            pid=os.getpid(),
            started=_started(os.getpid()) or "",
            command=redact(shlex.join(sys.argv))[:300],
            since=datetime.now(UTC),
        )

    def is_gone(self) -> bool:
        """Whether it is known to have ended: only of processes of this machine."""
        return self.is_of_this_machine() and _started(self.pid) != self.started

    def is_of_this_machine(self) -> bool:
        """Whether what the system says of its process id is of it."""
        return self.host == socket.gethostname() and self.boot == _boot_id()

    def is_this_process(self) -> bool:
        """Whether it is us."""
        return self.is_of_this_machine() and self.pid == os.getpid()

    def __str__(self) -> str:
        since = f"{self.since:%Y-%m-%d %H:%M:%S} UTC"
        return f"process {self.pid} on {self.host} since {since}: {self.command}"


@contextmanager
def leased(folder: Path, lease_s: float = LEASE_S) -> Iterator[None]:
    """Hold the folder while the body runs; a body that loses it is interrupted.

    Must be entered in the main thread for that; in another one the loss is told at the end.

    Args:
        folder: It exists.
        lease_s: Seconds that others wait for a sign of life.

    Raises:
        WebtextError: somebody else works in it, and the message says who; or the lease was lost.
    """
    path = _take(folder, lease_s)
    renewal = _Renewal(path, lease_s)
    try:
        yield
    except KeyboardInterrupt:
        renewal.stop()
        if renewal.is_lost:
            raise _lost(folder) from None
        raise
    else:
        renewal.stop()
        if renewal.is_lost:
            raise _lost(folder)
    finally:
        renewal.stop()
        if not renewal.is_lost:
            renewal.release()
        renewal.close()


def owner_of(folder: Path) -> Owner | None:
    """Who holds the folder, or held it and never gave it up; None: nobody."""
    path = _latest(folder)
    return None if path is None else _read(path)


def at_work(folder: Path, lease_s: float = LEASE_S) -> Owner | None:
    """Who works in the folder now; None: nobody.

    One of this machine that is there, if only stopped; any other by its latest sign of life.
    """
    path = _latest(folder)
    owner = None if path is None else _read(path)
    if path is None or owner is None or owner.is_gone():
        return None
    if owner.is_of_this_machine():
        return owner
    seen = _renewed(path)
    return owner if seen is not None and time.time() - seen < lease_s else None


class _Renewal:
    """The thread that gives signs of life."""

    def __init__(self, path: Path, lease_s: float) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR)
        self._every_s = lease_s / _RENEWALS
        self._done = threading.Event()
        self._is_main = threading.current_thread() is threading.main_thread()
        self.is_lost = False
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    def _renew(self) -> None:
        while not self._done.wait(self._every_s):
            # By descriptor: a file that somebody put in its place is not touched.
            with suppress(OSError):
                os.utime(self._descriptor)
            if not self._is_ours():
                self.is_lost = True
                if self._is_main and not self._done.is_set():
                    _thread.interrupt_main()
                return

    def _is_ours(self) -> bool:
        try:
            return _latest(self._path.parent) == self._path
        except OSError:
            return True  # a file system that does not answer: ask again

    def stop(self) -> None:
        """No more signs; whether it was lost until now is known then."""
        self._done.set()
        self._thread.join()
        self.is_lost = self.is_lost or not self._is_ours()

    def release(self) -> None:
        """Give it up: an empty lease is nobody's."""
        os.ftruncate(self._descriptor, 0)

    def close(self) -> None:
        """Forget the file."""
        os.close(self._descriptor)


def _take(folder: Path, lease_s: float) -> Path:
    while True:
        held = _latest(folder)
        if held is not None and (owner := _read(held)) is not None:
            _wait_for_its_end(held, owner, lease_s)
        if (path := _make_next(folder, held)) is not None:
            return path


def _wait_for_its_end(held: Path, owner: Owner, lease_s: float) -> None:
    """Return when the lease is over.

    Raises:
        WebtextError: it is not.
    """
    if owner.is_gone():
        return
    seen = _renewed(held)
    if seen is None:
        return
    if 0 <= time.time() - seen < lease_s:
        raise _held(held.parent, owner)
    until = time.monotonic() + lease_s
    while time.monotonic() < until:
        time.sleep(lease_s / _RENEWALS / 2)
        if (now := _renewed(held)) is None or _read(held) is None:
            return  # taken or given up: look again
        if now != seen:
            raise _held(held.parent, owner)


def _make_next(folder: Path, held: Path | None) -> Path | None:
    """Make the lease behind `held`; None: somebody else was faster."""
    number = 1 if held is None else int(held.name.removeprefix(_PREFIX)) + 1
    path = folder / f"{_PREFIX}{number:08d}"
    temporary = folder / f".{uuid4().hex}.part"
    temporary.write_bytes(Owner.this_process().model_dump_json().encode())
    try:
        os.link(temporary, path)
    except FileExistsError:
        return None
    finally:
        temporary.unlink()
    # A number of long ago can be free again. Twice, as a folder that changes is not read in one go.
    if any(_latest(folder) != path for _ in range(2)):
        path.unlink(missing_ok=True)
        return None
    for old in folder.glob(f"{_PREFIX}*"):
        if old.name < path.name:
            old.unlink(missing_ok=True)
    return path


def _latest(folder: Path) -> Path | None:
    return max(folder.glob(f"{_PREFIX}*"), default=None)


def _read(path: Path) -> Owner | None:
    try:
        return Owner.model_validate(orjson.loads(path.read_bytes()))
    except (FileNotFoundError, orjson.JSONDecodeError, ValidationError):
        return None  # gone, given up, or of a later version that gave it up in its own way


def _renewed(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _started(process: int) -> str | None:
    """When a process of this machine began; None: there is none."""
    try:
        # pid (name) state ppid ...: the name may hold anything, brackets too.
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _held(folder: Path, owner: Owner) -> WebtextError:
    return WebtextError(
        f"another webtext process works in {folder}: {owner}",
        hint="Wait for it, or stop it; then run the same command again.",
    )


def _lost(folder: Path) -> WebtextError:
    owner = owner_of(folder)
    return WebtextError(
        f"this process was away for too long and lost {folder}" + (f" to {owner}" if owner else ""),
        hint="Wait for that one; then run the same command again: what is finished is kept.",
    )
