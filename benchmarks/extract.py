"""Isolated workers against the bare loop of the same extraction, on 181 real pages.

    python -m benchmarks.extract [--quick]

A ratio `trafilatura_N` is pages per second (on the clock) of N workers, that read each page from
a WARC file and hand its text back in order, by N times those of one plain loop over the same file.
All run in fresh processes and warm up before the clock starts; what a pool takes to start is a
figure of its own. `in_memory_1` is the same for a loop that has the pages in memory.

Two processes on two cores are not twice as fast as one: they share caches, memory and what else
runs on the machine. `two_bare_loops` is how near two plain loops side by side come to it: the most
that any pool could reach. `cpu_ratio_N` compares pages per CPU second, the parent's included.
"""

import gzip
import hashlib
import statistics
import tempfile
import time
from functools import partial
from itertools import islice
from pathlib import Path

from benchmarks.extraction_loops import (
    CONTENT_TYPE,
    NUM_WARM_UP,
    extract_archive,
    extract_bodies,
    extract_page,
)
from benchmarks.real_data import REAL_DATA
from benchmarks.side_by_side import (
    Rounds,
    Run,
    alternate,
    median_rate,
    median_ratio,
    parse_arguments,
    print_result,
)
from corpus.parallel import map_in_processes
from crawler.archive.records import exchange_records
from crawler.archive.warc import Response
from crawler.documents.isolated import extract_isolated
from crawler.documents.isolated_failures import Failure

# Short turns and many of them: a machine that others use too is at another speed a minute later.
_PAGES_PER_TURN = 60
_ROUNDS_PER_SLICE, _ROUNDS_PER_SLICE_QUICK = 8, 2

Places = list[tuple[Path, int]]


def main() -> None:
    """Measure, and print the result."""
    is_quick = parse_arguments(__doc__).quick
    files = sorted((REAL_DATA / "web" / "html").glob("*.html.gz"))
    if not files:
        raise SystemExit(f"no pages in {REAL_DATA}: set WEBTEXT_TEST_DATA")
    bodies = [gzip.decompress(path.read_bytes()) for path in files]
    rounds: Rounds = []
    race = _Race()
    with tempfile.TemporaryDirectory() as folder:
        for begin in range(0, len(bodies) - _PAGES_PER_TURN + 1, _PAGES_PER_TURN):
            archive = Path(folder) / f"{begin}.warc.gz"
            places = _write_archive(archive, bodies[begin : begin + _PAGES_PER_TURN])
            contenders = {
                "bare": partial(race.bare, archive),
                "bare_2": partial(_two_loops, archive),
                "in_memory": partial(_in_memory, archive),
                "isolated_1": partial(race.isolated, places, 1),
                "isolated_2": partial(race.isolated, places, 2),
            }
            rounds += alternate(
                contenders, _ROUNDS_PER_SLICE_QUICK if is_quick else _ROUNDS_PER_SLICE
            )
    print_result(
        "extract",
        {
            "trafilatura_1": median_ratio(rounds, "isolated_1", "bare"),
            "trafilatura_2": median_ratio(rounds, "isolated_2", "bare") / 2,
        },
        {
            "two_bare_loops": median_ratio(rounds, "bare_2", "bare") / 2,
            "in_memory_1": median_ratio(rounds, "isolated_1", "in_memory"),
            "cpu_ratio_1": race.cpu_ratio(1),
            "cpu_ratio_2": race.cpu_ratio(2),
            "bare_pages_per_s": median_rate(rounds, "bare"),
            "one_worker_pages_per_s": median_rate(rounds, "isolated_1"),
            "two_workers_pages_per_s": median_rate(rounds, "isolated_2"),
            "start_s": min(race.starts_s),
            "num_pages": len(bodies),
            "rounds": len(rounds),
        },
    )


class _Race:
    """The contenders; CPU seconds of each turn by number of workers, 0 being the bare loop."""

    def __init__(self) -> None:
        self._cpu_s: dict[int, list[float]] = {0: [], 1: [], 2: []}
        self.starts_s: list[float] = []

    def bare(self, archive: Path) -> Run:
        """The plain loop."""
        ((seconds, cpu_s, texts),) = map_in_processes(extract_archive, [archive], 1)
        self._cpu_s[0].append(cpu_s)
        return Run(len(texts), seconds, _digest(texts))

    def isolated(self, pages: Places, num_workers: int) -> Run:
        """The pool."""
        began = time.perf_counter()
        num_warm_up = NUM_WARM_UP * num_workers
        places = pages[:num_warm_up] + pages
        results = extract_isolated(places, extract_page, workers=num_workers)
        next(results)
        self.starts_s.append(time.perf_counter() - began)
        for _ in islice(results, num_warm_up - 1):
            pass
        started, started_cpu = time.perf_counter(), time.process_time()
        found = [page for page in results if not isinstance(page, Failure)]
        seconds = time.perf_counter() - started
        cpu_s = time.process_time() - started_cpu + _workers_cpu_s(found)
        self._cpu_s[num_workers].append(cpu_s)
        return Run(len(found), seconds, _digest([page[0] for page in found]))

    def cpu_ratio(self, num_workers: int) -> float:
        """Pages per CPU second by those of the bare loop."""
        both = zip(self._cpu_s[0], self._cpu_s[num_workers], strict=True)
        return statistics.median(bare_s / ours_s for bare_s, ours_s in both)


def _two_loops(archive: Path) -> Run:
    """The plain loop twice, side by side."""
    loops = list(map_in_processes(extract_archive, [archive, archive], 2))
    return Run(sum(len(texts) / seconds for seconds, _, texts in loops), 1, _digest(loops[0][2]))


def _in_memory(archive: Path) -> Run:
    ((seconds, _, texts),) = map_in_processes(extract_bodies, [archive], 1)
    return Run(len(texts), seconds, _digest(texts))


def _workers_cpu_s(pages: list) -> float:
    """CPU seconds of all workers, each reckoned from its first page's begin to its last's end."""
    spans: dict[int, tuple[float, float]] = {}
    for _, process, began_s, ended_s in pages:
        first_s, _ = spans.get(process, (began_s, 0.0))
        spans[process] = first_s, ended_s
    return sum(last_s - first_s for first_s, last_s in spans.values())


def _write_archive(path: Path, bodies: list[bytes]) -> Places:
    """Write the pages as responses; return where each lies."""
    places = []
    with path.open("wb") as file:
        for index, body in enumerate(bodies):
            places.append((path, file.tell()))
            response = Response(200, [("Content-Type", CONTENT_TYPE)], body)
            file.writelines(
                exchange_records(f"http://example.org/{index}", [], response, cut=False)
            )
    return places


def _digest(texts: list) -> str:
    return hashlib.sha256(repr(texts).encode()).hexdigest()


if __name__ == "__main__":
    main()
