"""Isolated workers against the bare loop of the same extraction, on 181 real pages.

    python -m benchmarks.extract [--quick]

A ratio `trafilatura_N` is pages per second (on the clock) of N workers, that read each page from
a WARC file and hand its text back in order, by N times those of one process that has the pages in
memory and does nothing else. Both run in fresh processes and warm up before the clock starts; what
a pool takes to start is a figure of its own. On a machine that others use too, the clock measures
them as well: `cpu_ratio_N` compares pages per CPU second, the parent's included.
"""

import gzip
import hashlib
import statistics
import tempfile
import time
from functools import partial
from itertools import islice
from pathlib import Path

from benchmarks.extraction_loops import CONTENT_TYPE, NUM_WARM_UP, extract_all, extract_page
from benchmarks.real_data import REAL_DATA
from benchmarks.side_by_side import (
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

_ROUNDS, _ROUNDS_QUICK = 5, 2

Places = list[tuple[Path, int]]


def main() -> None:
    """Measure, and print the result."""
    is_quick = parse_arguments(__doc__).quick
    files = sorted((REAL_DATA / "web" / "html").glob("*.html.gz"))
    if not files:
        raise SystemExit(f"no pages in {REAL_DATA}: set WEBTEXT_TEST_DATA")
    bodies = [gzip.decompress(path.read_bytes()) for path in files]
    if not is_quick:
        bodies *= 2
    with tempfile.TemporaryDirectory() as folder:
        race = _Race(bodies, _archive(Path(folder) / "pages.warc.gz", bodies))
        contenders = {
            "bare": race.bare,
            "isolated_1": partial(race.isolated, 1),
            "isolated_2": partial(race.isolated, 2),
        }
        rounds = alternate(contenders, _ROUNDS_QUICK if is_quick else _ROUNDS)
    print_result(
        "extract",
        {
            "trafilatura_1": median_ratio(rounds, "isolated_1", "bare"),
            "trafilatura_2": median_ratio(rounds, "isolated_2", "bare") / 2,
        },
        {
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
    """The contenders on the same pages; CPU seconds by number of workers, 0 being the bare loop."""

    def __init__(self, bodies: list[bytes], places: Places) -> None:
        self._bodies = bodies
        self._places = places
        self._cpu_s: dict[int, list[float]] = {0: [], 1: [], 2: []}
        self.starts_s: list[float] = []

    def bare(self) -> Run:
        """The plain loop."""
        ((seconds, cpu_s, texts),) = map_in_processes(extract_all, [self._bodies], 1)
        self._cpu_s[0].append(cpu_s)
        return Run(len(self._bodies), seconds, _digest(texts))

    def isolated(self, num_workers: int) -> Run:
        """The pool."""
        began = time.perf_counter()
        num_warm_up = NUM_WARM_UP * num_workers
        places = self._places[:num_warm_up] + self._places
        results = extract_isolated(places, extract_page, workers=num_workers)
        next(results)
        self.starts_s.append(time.perf_counter() - began)
        for _ in islice(results, num_warm_up - 1):
            pass
        started, started_cpu = time.perf_counter(), time.process_time()
        pages = [page for page in results if not isinstance(page, Failure)]
        seconds = time.perf_counter() - started
        cpu_s = time.process_time() - started_cpu + _workers_cpu_s(pages)
        self._cpu_s[num_workers].append(cpu_s)
        return Run(len(pages), seconds, _digest([page[0] for page in pages]))

    def cpu_ratio(self, num_workers: int) -> float:
        """Pages per CPU second by those of the bare loop."""
        both = zip(self._cpu_s[0], self._cpu_s[num_workers], strict=True)
        return statistics.median(bare_s / ours_s for bare_s, ours_s in both)


def _workers_cpu_s(pages: list) -> float:
    """CPU seconds of all workers, each reckoned from its first page's begin to its last's end."""
    spans: dict[int, tuple[float, float]] = {}
    for _, process, began_s, ended_s in pages:
        first_s, _ = spans.get(process, (began_s, 0.0))
        spans[process] = first_s, ended_s
    return sum(last_s - first_s for first_s, last_s in spans.values())


def _archive(path: Path, bodies: list[bytes]) -> Places:
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
