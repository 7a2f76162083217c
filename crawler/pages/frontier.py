"""The links of a partition that wait to be fetched: on disk, in score order, fair to every host.

A host's links are handed out best score first, one at a time and no faster than the host's delay.
Which host comes next is decided by waiting time; a host that was not asked yet joins, best link
first, whenever all the others have to wait. Only the hosts that take part are in memory, each with
its next few links: five million links take no more of it than fifty thousand.
"""

import heapq
import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from corpus.atomic import fsync_path
from corpus.shards import read_rows
from crawler.links.urls import host_of

# Links that are read at a time for one host: a query costs as much as some ten rows.
_READ_AHEAD = 8
# Hosts that wait at once; more would not make the crawl faster, only the memory larger.
_MAX_HOSTS = 20_000
_CACHE_KIB = 16 * 1024


@dataclass(frozen=True, slots=True)
class Link:
    """One link, handed out to be fetched."""

    row: int
    """Its row in the links shard."""
    url: str
    host: str
    tries: int = 0
    """How often it was fetched in vain."""


@dataclass(slots=True)
class _Host:
    name: str
    delay_s: float
    ready_at: float
    """Not before this time (`time.monotonic`) is it asked again."""
    waiting: deque[Link] = field(default_factory=deque)
    num_in_flight: int = 0
    is_queued: bool = False
    """Whether it has an entry in the heap of hosts that may be asked."""
    position: tuple[int, int] = (-(1 << 40), -1)
    """(-score, row) of the last link read from disk."""
    has_more: bool = True


class Frontier:
    """Hands out each link of a links shard that is not settled, again only if it is put back.

    Args:
        path: The file that holds the order; made from `links` if it is not there. It is scratch:
            remove it when the partition is done.
        links: The links shard.
        settled: One bool per row of it; rows that are True are passed over.
        delay_s: Seconds between two links of a host.
        per_host: Links of one host that may be in flight at once.
    """

    def __init__(
        self, path: Path, links: Path, settled: np.ndarray, *, delay_s: float, per_host: int
    ) -> None:
        if not path.exists():
            _write_order(path, links)
        self._database = sqlite3.connect(path)
        self._database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._new_hosts = self._database.execute("SELECT host FROM hosts ORDER BY rowid")
        self._settled = settled
        self._delay_s = delay_s
        self._per_host = per_host
        self._hosts: dict[str, _Host] = {}
        # (ready_at, number of the entry, host): the longest wait first, then the order of arrival.
        self._queue: list[tuple[float, int, _Host]] = []
        self._num_entries = 0
        self.num_in_flight = 0
        """Links handed out and neither done nor put back."""

    @property
    def num_hosts(self) -> int:
        """Hosts that take part just now."""
        return len(self._hosts)

    def next(self, now: float) -> Link | None:
        """The next link that may be fetched; None: every host has to wait, or all is handed out.

        Args:
            now: The time, as `time.monotonic` gives it.
        """
        host = self._ready_host(now) or self._new_host(now)
        if host is None:
            return None
        link = host.waiting.popleft()
        host.num_in_flight += 1
        self.num_in_flight += 1
        host.ready_at = now + host.delay_s
        self._enqueue(host)
        return link

    def next_ready_at(self) -> float | None:
        """When a host that waits may be asked; None: there is none to wait for."""
        return self._queue[0][0] if self._queue else None

    def done(self, link: Link) -> None:
        """Take note that `link` was settled."""
        host = self._hosts[link.host]
        host.num_in_flight -= 1
        self.num_in_flight -= 1
        self._enqueue(host)

    def put_back(self, link: Link) -> None:
        """Hand `link` out once more, before the other links of its host."""
        again = Link(link.row, link.url, link.host, link.tries + 1)
        self._hosts[link.host].waiting.appendleft(again)
        self.done(link)

    def slow_down(self, host: str, delay_s: float) -> None:
        """From now on, leave at least `delay_s` between two links of a host."""
        if found := self._hosts.get(host):
            found.delay_s = max(found.delay_s, delay_s)

    def pause(self, host: str, until: float) -> None:
        """Do not ask a host before the time `until`."""
        if found := self._hosts.get(host):
            found.ready_at = max(found.ready_at, until)

    def drain(self, host: str) -> None:
        """Hand out the rest of a host's links without delay: nobody will be asked for them."""
        if found := self._hosts.get(host):
            found.delay_s = found.ready_at = 0.0

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _ready_host(self, now: float) -> _Host | None:
        while self._queue and self._queue[0][0] <= now:
            _, _, host = heapq.heappop(self._queue)
            host.is_queued = False
            if host.ready_at > now:  # paused since it was put into the queue
                self._enqueue(host)
            elif host.waiting or self._read_ahead(host):
                return host
        return None

    def _new_host(self, now: float) -> _Host | None:
        while len(self._hosts) < _MAX_HOSTS:
            row = self._new_hosts.fetchone()
            if row is None:
                return None
            host = _Host(row[0], self._delay_s, ready_at=now)
            if self._read_ahead(host):
                self._hosts[host.name] = host
                return host
        return None

    def _enqueue(self, host: _Host) -> None:
        """Put a host into the queue if it may be asked for a link and has one; else let it go."""
        if host.is_queued or host.num_in_flight >= self._per_host:
            return
        if host.waiting or self._read_ahead(host):
            heapq.heappush(self._queue, (host.ready_at, self._num_entries, host))
            self._num_entries += 1
            host.is_queued = True
        elif host.num_in_flight == 0:
            del self._hosts[host.name]

    def _read_ahead(self, host: _Host) -> bool:
        """Read a host's next links that are not settled; whether there are any."""
        while host.has_more and not host.waiting:
            rows = self._database.execute(
                "SELECT minus_score, row, url FROM links"
                " WHERE host = ? AND (minus_score, row) > (?, ?)"
                f" ORDER BY minus_score, row LIMIT {_READ_AHEAD}",
                (host.name, *host.position),
            ).fetchall()
            host.has_more = len(rows) == _READ_AHEAD
            for minus_score, row, url in rows:
                host.position = (minus_score, row)
                if not self._settled[row]:
                    host.waiting.append(Link(row, url, host.name))
        return bool(host.waiting)


def _write_order(path: Path, links: Path) -> None:
    """Sort the links by host and score, and the hosts by their best score, on disk."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    with closing(sqlite3.connect(part)) as database:
        # Nothing here outlives a crash: an unfinished file is thrown away.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
            database.execute(f"PRAGMA {pragma}")
        database.executescript(
            "CREATE TEMP TABLE found (host TEXT, minus_score INTEGER, row INTEGER, url TEXT);"
            "CREATE TABLE links (host TEXT, minus_score INTEGER, row INTEGER, url TEXT,"
            " PRIMARY KEY (host, minus_score, row)) WITHOUT ROWID;"
            "CREATE TABLE hosts (host TEXT);"
        )
        database.executemany("INSERT INTO found VALUES (?, ?, ?, ?)", _rows(links))
        database.execute("INSERT INTO links SELECT * FROM found ORDER BY host, minus_score, row")
        database.execute(
            "INSERT INTO hosts SELECT host FROM links GROUP BY host ORDER BY min(minus_score), host"
        )
        database.commit()
    fsync_path(part)
    part.replace(path)


def _rows(links: Path) -> Iterator[tuple[str, int, int, str]]:
    for row, link in enumerate(read_rows(links, ["url", "score"])):
        yield host_of(link["url"]), -(link["score"] or 0), row, link["url"]
