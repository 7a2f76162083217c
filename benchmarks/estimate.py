"""`webtext estimate` against what then happens: the demo, and a build ten times larger.

    python -m benchmarks.estimate [--packages FOLDER] [--rounds N] [--quick]

Each ratio is what it took by what was said a moment before: 1 is right, 1.5 and 0.67 are the
bounds that we aim at. Time is by the clock, with the start of all processes; disk is the files of
the finished stages; memory is the most that all processes held at a time (shared pages once,
files that the system can drop not at all), of which a sample is taken four times a second.

The larger build has 12,000 pages instead of 1,200. For so many the installed packages need pages
of 30 words; `--packages` names a larger site-packages folder (`pip install --no-deps --target`),
whose pages are as long as the demo's. Under `--quick` there is one build, of 100 pages.
"""

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.own_process import run_module
from benchmarks.side_by_side import print_result

_WHAT = ("time", "disk", "memory")
_SAMPLE_EVERY_S = 0.25

Figures = dict[str, float]
"""Seconds, bytes on disk, bytes of memory, by the names of `_WHAT`."""


def main() -> None:
    """Measure, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=Path, help="a folder of unpacked packages to read")
    parser.add_argument("--rounds", type=int, default=1, help="how often each is made (default: 1)")
    parser.add_argument("--quick", action="store_true", help="one build of 100 pages: 45 s")
    arguments = parser.parse_args()
    web = ["web.num_pages=12000", "web.num_hosts=300"]
    web.append(f"web.packages={p.resolve()}" if (p := arguments.packages) else "web.min_words=30")
    contenders: dict[str, tuple[str, list[str]]] = {
        "demo": ("demo", []),
        "ten_times": ("build", web),
    }
    if arguments.quick:
        contenders = {"build": ("build", ["web.num_pages=100", "web.num_hosts=10"])}
    ratios, figures = {}, {}
    for name, (command, overrides) in contenders.items():
        rounds = [_try(name, command, overrides) for _ in range(arguments.rounds)]
        for what in _WHAT:
            ratios[f"{name}_{what}"] = statistics.median(
                took[what] / said[what] for said, took in rounds
            )
            figures[f"{name}_{what}"] = statistics.median(took[what] for _, took in rounds)
    print_result("estimate", ratios, {**figures, "rounds": arguments.rounds})


def _try(name: str, command: str, overrides: Sequence[str]) -> tuple[Figures, Figures]:
    """What was said of a run in a new folder, and what it took."""
    words = [word for each in overrides for word in ("--set", each)]
    until = ["--until", "tokens"] if command == "build" else []
    recipe = ["demo"] if command == "build" else []
    with tempfile.TemporaryDirectory() as scratch:
        words += ["--data", scratch]
        answer = json.loads(run_module("flows", "estimate", "demo", *until, *words, "--json"))
        total = answer["stages"][-1]
        said = {
            "time": total["seconds"],
            "disk": total["disk_bytes"],
            "memory": total["memory_bytes"],
        }
        started = time.perf_counter()
        with _watch_memory() as peak:
            run_module("flows", command, *recipe, *until, *words)
        took = {
            "time": time.perf_counter() - started,
            "disk": _size_of_stages(Path(scratch)),
            "memory": peak[0],
        }
    for what in _WHAT:
        print(f"{name}: {what} {said[what]:.4g} said, {took[what]:.4g} taken", flush=True)
    return said, took


def _size_of_stages(data: Path) -> float:
    folders = [path.parent for path in data.glob("*/*/manifest.json")]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return float(sum(path.stat().st_size for path in files))


@contextmanager
def _watch_memory() -> Iterator[list[float]]:
    """Yield a list of one number: the most bytes that our children held together until now."""
    peak, ended = [0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(_SAMPLE_EVERY_S):
            peak[0] = max(peak[0], sum(map(_memory, _children())))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def _children() -> list[int]:
    """The processes below this one."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return list(found - {os.getpid()})


def _memory(pid: int) -> float:
    """Its share of the bytes that are in no file: those cannot be given back. 0: it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss_Anon:"):
                return float(line.split()[1]) * 1024
    return 0.0


if __name__ == "__main__":
    main()
