"""What a crawl says of itself while it runs: links and pages so far, rate, hosts, bytes."""

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from corpus.metrics import append_metrics, read_metrics
from crawler.archive.warc import FETCHED

_LOG_EVERY_S = 10
# The rate shown is that of the last so many seconds: a mean since the start hides a stall.
_WINDOW_S = 15.0
_NUM_REASONS_SHOWN = 3


@dataclass(frozen=True)
class PartitionState:
    """What one crawling process last said."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """Settled links per outcome, those of earlier runs included."""
    archive_bytes: int = 0
    active_hosts: int = 0
    in_flight: int = 0


@dataclass(frozen=True, slots=True)
class _Moment:
    time_s: float
    num_links: int
    num_pages: int


class MetricsLog:
    """Adds figures to a folder's metrics.jsonl; a step is a second of crawling."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        earlier = read_metrics(folder)
        self._last_step: int = earlier[-1]["step"] if earlier else 0
        self._began = time.monotonic() - self._last_step

    def write(self, figures: Mapping[str, float], every_s: float = 0) -> None:
        """Add a line, if the last one is `every_s` seconds old."""
        step = math.ceil(time.monotonic() - self._began)
        if step >= self._last_step + every_s:
            append_metrics(self._folder, {"step": step, "time": time.time(), **figures})
            self._last_step = step


class LiveFigures:
    """The sums over all partitions, and the rates of the last seconds.

    Args:
        num_links: Links of all partitions.
        log: Where the figures are written down every ten seconds.
        clock: The time in seconds.
    """

    def __init__(
        self, num_links: int, log: MetricsLog, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._num_links = num_links
        self._log = log
        self._clock = clock
        self._partitions: dict[int, PartitionState] = {}
        # What was gained since the start: what an earlier run fetched is no rate.
        self._history = deque([_Moment(clock(), 0, 0)])

    def update(self, partition: int, state: PartitionState) -> None:
        """Take in what a partition said."""
        # At a partition's first message all that it has is an earlier run's.
        earlier = self._partitions.get(partition, state).outcomes
        self._partitions[partition] = state
        last = self._history[-1]
        num_links = last.num_links + state.outcomes.total() - earlier.total()
        num_pages = last.num_pages + state.outcomes[FETCHED] - earlier[FETCHED]
        self._history.append(_Moment(self._clock(), num_links, num_pages))
        while self._history[1].time_s < self._clock() - _WINDOW_S:
            self._history.popleft()
        self._log.write(self.as_figures(), _LOG_EVERY_S)

    def log(self) -> None:
        """Write the figures down as they are now."""
        self._log.write(self.as_figures())

    @property
    def outcomes(self) -> Counter[str]:
        """Settled links per outcome."""
        return sum((state.outcomes for state in self._partitions.values()), Counter[str]())

    def as_figures(self) -> Mapping[str, float]:
        """For charts: a number per name; outcomes are `outcome.http_404` and the like.

        `seconds_left` is missing while nothing moves.
        """
        states = self._partitions.values()
        first, last = self._history[0], self._history[-1]
        seconds = max(last.time_s - first.time_s, 1e-9)
        links_per_s = (last.num_links - first.num_links) / seconds
        outcomes = self.outcomes
        links_left = self._num_links - outcomes.total()
        return {
            "active_hosts": sum(state.active_hosts for state in states),
            "archive_mb": sum(state.archive_bytes for state in states) / 1e6,
            "in_flight": sum(state.in_flight for state in states),
            "links_per_s": links_per_s,
            "links_settled": outcomes.total(),
            "pages_per_s": (last.num_pages - first.num_pages) / seconds,
            **({"seconds_left": links_left / links_per_s} if links_per_s > 0 else {}),
            **{f"outcome.{reason}": count for reason, count in outcomes.items()},
        }

    def as_note(self) -> str:
        """For people: `812 pages, 9.3/s, 41 http_404, 12 timeout, 63 hosts, 4.1 MB`."""
        figures = self.as_figures()
        outcomes = self.outcomes
        num_pages = outcomes.pop(FETCHED, 0)
        parts = [f"{num_pages:,} pages", f"{figures['pages_per_s']:,.1f}/s"]
        parts += [f"{n:,} {reason}" for reason, n in outcomes.most_common(_NUM_REASONS_SHOWN)]
        parts += [f"{figures['active_hosts']:,.0f} hosts", f"{figures['archive_mb']:,.1f} MB"]
        return ", ".join(parts)
