"""The frontier with five million links: python -m benchmarks.frontier [--quick].

Writes a links shard of 5,000,000 links on 400,000 hosts (a few large ones, a long tail, as in the
real link lists), builds the frontier and hands out links as a crawl does: 256 in flight, a second
between two links of a host on a simulated clock. Prints the largest resident memory of the process
that does it, which the spider's own memory comes on top of, and the time per link. The peer is a
heap in memory of the same links.
"""

import heapq
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from benchmarks.side_by_side import parse_arguments, print_result
from corpus.schema import LINKS
from crawler.pages.frontier import Frontier, Link

_BATCH = 50_000
_IN_FLIGHT = 256


def main() -> None:
    """Make the links, measure in processes of their own, print."""
    if sys.argv[1:2] == ["--measure"]:
        _MEASURES[sys.argv[2]](Path(sys.argv[3]), int(sys.argv[4]))
        return
    num_links = 200_000 if parse_arguments(__doc__).quick else 5_000_000
    with tempfile.TemporaryDirectory() as folder:
        links = Path(folder) / "links-00000.arrow"
        _write_links(links, num_links)
        figures: dict[str, int | float | str] = {"num_links": num_links}
        for name in _MEASURES:
            figures |= {f"{name}_{key}": value for key, value in _measure(name, links).items()}
    ratio = float(figures["heap_rss_mb"]) / float(figures["frontier_rss_mb"])
    print_result("frontier", {"heap_memory": ratio}, figures)


def _measure(name: str, links: Path) -> dict[str, float]:
    num_handed_out = "100000"
    command = [sys.executable, "-m", "benchmarks.frontier", "--measure", name, str(links)]
    answer = subprocess.run([*command, num_handed_out], check=True, capture_output=True, text=True)
    build_s, link_us, rss_mb = map(float, answer.stdout.split())
    return {"build_s": build_s, "us_per_link": link_us, "rss_mb": rss_mb}


def _measure_frontier(links: Path, num_handed_out: int) -> None:
    began = time.perf_counter()
    settled = np.zeros(_num_rows(links), bool)
    path = links.with_name(".frontier.sqlite")
    frontier = Frontier(path, links, settled, delay_s=1.0, per_host=1)
    built = time.perf_counter()
    in_flight: list[Link] = []
    now = 0.0
    for _ in range(num_handed_out):
        while (link := frontier.next(now)) is None:
            now += 0.05
        in_flight.append(link)
        if len(in_flight) == _IN_FLIGHT:
            done = in_flight.pop(0)
            settled[done.row] = True
            frontier.done(done)
            now += 0.01
    _print_measures(built - began, (time.perf_counter() - built) / num_handed_out)


def _measure_heap(links: Path, num_handed_out: int) -> None:
    began = time.perf_counter()
    reader = pa.ipc.open_file(pa.memory_map(str(links)))
    heap = [
        (-row["score"], row["url"])
        for index in range(reader.num_record_batches)
        for row in reader.get_batch(index).select(["score", "url"]).to_pylist()
    ]
    heapq.heapify(heap)
    built = time.perf_counter()
    for _ in range(num_handed_out):
        heapq.heappop(heap)
    _print_measures(built - began, (time.perf_counter() - built) / num_handed_out)


_MEASURES = {"frontier": _measure_frontier, "heap": _measure_heap}


def _print_measures(build_s: float, link_s: float) -> None:
    print(build_s, link_s * 1e6, _peak_rss_mb())


def _peak_rss_mb() -> float:
    # Not ru_maxrss: a child starts with the peak of the process that forked it.
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / 1024


def _num_rows(links: Path) -> int:
    reader = pa.ipc.open_file(pa.memory_map(str(links)))
    return sum(reader.get_batch(index).num_rows for index in range(reader.num_record_batches))


def _write_links(path: Path, num_links: int) -> None:
    """Links sorted by URL as the stage writes them, on hosts of Zipf-like size."""
    rng = np.random.default_rng(0)
    num_hosts = num_links // 12
    hosts = np.sort((num_hosts * rng.random(num_links) ** 3).astype(int))
    scores = np.minimum(3 + rng.pareto(1.0, num_links) * 3, 100_000).astype(int)
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(path, LINKS, options=options) as out:
        for begin in range(0, num_links, _BATCH):
            rows = [_row(i, hosts[i], scores[i]) for i in range(begin, begin + _BATCH)]
            out.write_batch(pa.RecordBatch.from_pylist(rows, schema=LINKS))


def _row(number: int, host: int, score: int) -> dict:
    return {
        "url": f"https://www.site{host:07d}.example/section/of/the/site/{number:09d}/title-of-it.html",
        "domain": f"site{host:07d}.example",
        "score": int(score),
        "subreddits": ["news"],
        "submission_ids": [f"{number:07x}"],
    }


if __name__ == "__main__":
    main()
