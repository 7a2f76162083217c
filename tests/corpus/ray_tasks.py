"""Tasks that say who does them, and wait to be told to end: shared by the tests of Ray."""

import os
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 90.0


def wait_until(is_so: Callable[[], object], what: str) -> None:
    """Poll for it, and fail when it never comes."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)


def note_and_wait(task: tuple[Path, int]) -> int:
    """Note that it is done, by which process on which node; end when the file `go` is there."""
    import ray

    folder, number = task
    node = ray.get_runtime_context().get_node_id()
    with (folder / f"{number}.tries").open("a") as tries:
        tries.write(f"{os.getpid()} {node}\n")
    wait_until((folder / "go").exists, "go")
    return number


def tries_of(folder: Path, number: int) -> list[tuple[int, str]]:
    """The process and the node of each try of a task, first to last."""
    path = folder / f"{number}.tries"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(pid), node) for pid, node in map(str.split, lines)]
