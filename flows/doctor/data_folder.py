"""The data folder: who works in it, what is unfinished, whether the benchmark files are whole."""

import fcntl
import re
from collections.abc import Iterator
from pathlib import Path

from corpus.benchmarks.published_sets import PUBLISHED_SETS
from corpus.lease import owner_of
from corpus.manifest import is_finished, is_withdrawn
from flows.doctor.check import Check, ok, warn

_LOCKS = Path("/proc/locks")


def check_data(data: Path, benchmarks: Path | None) -> Iterator[Check]:
    """Everything about the data folder and the folder of benchmark files.

    Args:
        data: The data folder; it may not be there yet.
        benchmarks: The folder of benchmark files, if there is one.
    """
    yield check_locks(data)
    yield check_unfinished(data)
    if benchmarks is not None:
        yield check_benchmarks(benchmarks)


def check_locks(data: Path) -> Check:
    """Which folders a process is at work in, and which process."""
    held = [lock.parent for lock in _locks(data) if _is_at_work(lock)]
    if not held:
        return ok("locks", "nobody is at work in the data folder")
    described = [f"{folder.relative_to(data)} by {_holder(folder / '.lock')}" for folder in held]
    remedy = "Wait for it, or stop it, before you run a command that makes the same folder"
    return warn("locks", "at work: " + ", ".join(described), remedy)


def check_unfinished(data: Path) -> Check:
    """Which stage folders were begun and not finished."""
    begun = [lock.parent for lock in sorted(data.glob("*/*/.lock")) if not _is_at_work(lock)]
    left = [
        str(folder.relative_to(data))
        for folder in begun
        if not is_finished(folder) and not is_withdrawn(folder)
    ]
    if not left:
        return ok("unfinished", "nothing")
    return warn(
        "unfinished",
        ", ".join(left),
        "Run the command that made them again: it goes on. Or remove them",
    )


def check_benchmarks(folder: Path) -> Check:
    """Which of the paper's benchmark files are there; `webtext benchmarks check` reads them."""
    files = [file for each in PUBLISHED_SETS for file in each.files]
    missing = [file for file in files if not (folder / file.path).is_file()]
    seen = f"{len(files) - len(missing)} of {len(files)} files in {folder}"
    if not missing:
        return ok("benchmarks", seen)
    sets = sorted({file.path.partition("/")[0] for file in missing})
    tasks = sorted({task for file in missing for task in file.tasks})
    without = f", without {', '.join(tasks)}" if tasks else ""
    fetch = f"webtext benchmarks fetch {' '.join(sets)} --to {folder}"
    return warn("benchmarks", seen + without, fetch)


def _locks(data: Path) -> list[Path]:
    """Of the harvest and of the stages."""
    return sorted([*data.glob("*/.lock"), *data.glob("*/*/.lock")])


def _is_at_work(lock: Path) -> bool:
    """Here by the lock, which the kernel takes back; on another machine by the lease."""
    owner = owner_of(lock.parent)
    return _is_held(lock) or (owner is not None and not owner.is_gone())


def _is_held(lock: Path) -> bool:
    # Opened for reading: looking changes nothing.
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _holder(lock: Path) -> str:
    """`process 1234 ...: webtext run demo`: as its lease says, or the kernel."""
    owner = owner_of(lock.parent)
    if owner is not None and not owner.is_gone():
        return str(owner)
    inode = lock.stat().st_ino
    locks = _LOCKS.read_text() if _LOCKS.is_file() else ""
    found = re.search(rf"FLOCK .* (\d+) \w+:\w+:{inode} ", locks)
    if found is None:
        return "a process"
    command = Path(f"/proc/{found[1]}/cmdline")
    words = command.read_bytes().split(b"\0") if command.is_file() else []
    shown = b" ".join(words).decode(errors="replace").strip()
    return f"process {found[1]}" + (f": {shown[:80]}" if shown else "")
