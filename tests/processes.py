"""What the system says of processes: who started whom, and who is still there."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def parent_of(process: int) -> int:
    """The process that started this one.

    Raises:
        OSError: it is gone.
    """
    return int(_status(process)[1])


def descendants_of(process: int) -> list[int]:
    """The processes that this one started, and those that they started, nearest first."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(folder.name)] = parent_of(int(folder.name))
    found = [process]
    for each in found:  # grows as it goes
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]


def is_running(process: int) -> bool:
    """Whether it is there, and not only waiting to be forgotten."""
    try:
        return _status(process)[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait at most so many seconds.

    Raises:
        AssertionError: it never came.
    """
    for _ in range(int(100 * seconds)):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")


def _status(process: int) -> list[str]:
    # pid (name) state ppid ...: the name may hold anything, brackets too.
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
