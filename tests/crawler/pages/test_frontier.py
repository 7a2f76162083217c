"""The frontier: which link is next, and that none is lost or handed out twice."""

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from corpus.schema import LINKS
from corpus.shards import write_shard
from crawler.links.urls import host_of
from crawler.pages.frontier import Frontier


def open_frontier(folder, links, settled=None, *, delay_s=1.0, per_host=1) -> Frontier:
    """A frontier over (url, score) pairs, in the order of a links shard: sorted by URL."""
    links = sorted(links)
    rows = [{"url": url, "domain": "example", "score": score} for url, score in links]
    write_shard(folder / "links-00000.arrow", rows, LINKS)
    if settled is None:
        settled = np.zeros(len(links), bool)
    path = folder / ".frontier.sqlite"
    return Frontier(path, folder / "links-00000.arrow", settled, delay_s=delay_s, per_host=per_host)


def drain(frontier: Frontier, *, at_once: int = 1) -> list[tuple[float, str]]:
    """(time, url) of all links, each fetch taking 0.3 s of a simulated clock."""
    now, handed_out, in_flight = 0.0, [], []
    while True:
        while len(in_flight) < at_once and (link := frontier.next(now)):
            handed_out.append((now, link.url))
            in_flight.append(link)
        if not in_flight and frontier.next_ready_at() is None:
            return handed_out
        now += 0.3
        while in_flight:
            frontier.done(in_flight.pop())


def test_the_best_links_of_all_hosts_come_first_and_no_host_is_asked_twice_in_its_delay(tmp_path):
    links = [(f"http://{host}.example/{n}", n) for host in "abc" for n in range(4)]
    order = drain(open_frontier(tmp_path, links), at_once=3)
    assert [url[-1] for _, url in order] == list("333222111000")
    for host in "abc":
        times = [now for now, url in order if host_of(url) == f"{host}.example"]
        assert min(np.diff(times)) >= 1.0


def test_a_host_with_a_better_link_joins_before_one_with_a_worse(tmp_path):
    links = [("http://low.example/", 3), ("http://high.example/", 99), ("http://mid.example/", 50)]
    frontier = open_frontier(tmp_path, links)
    handed_out = [frontier.next(0.0) for _ in range(3)]
    assert [link.url for link in handed_out if link] == [
        "http://high.example/",
        "http://mid.example/",
        "http://low.example/",
    ]
    assert frontier.next(0.0) is None


def test_a_large_host_does_not_hold_up_the_small_ones(tmp_path):
    links = [(f"http://large.example/{n}", 1000) for n in range(50)]
    links += [(f"http://small{n}.example/", 3) for n in range(5)]
    order = drain(open_frontier(tmp_path, links), at_once=2)
    assert max(i for i, (_, url) in enumerate(order) if "small" in url) < 12


@settings(max_examples=30)
@given(st.data())
def test_every_link_that_is_not_settled_comes_once_whatever_happens_to_the_others(
    tmp_path_factory, data
):
    folder = tmp_path_factory.mktemp("frontier")
    num_links = data.draw(st.integers(1, 60))
    rng = random.Random(data.draw(st.integers(0, 1000)))
    links = [
        (f"http://h{rng.randrange(6)}.example/{n}", rng.randrange(9)) for n in range(num_links)
    ]
    settled = np.array([rng.random() < 0.3 for _ in links])
    per_host = data.draw(st.integers(1, 3))
    frontier = open_frontier(folder, links, settled, per_host=per_host, delay_s=rng.choice([0, 2]))
    times, in_flight, now = Counter(), [], 0.0
    while True:
        link = frontier.next(now)
        if link is not None:
            assert sum(other.host == link.host for other in in_flight) < per_host
            times[link.row] += 1
            in_flight.append(link)
        elif not in_flight and frontier.next_ready_at() is None:
            break
        elif in_flight:
            link = in_flight.pop(rng.randrange(len(in_flight)))
            if rng.random() < 0.3 and link.tries < 2:
                frontier.pause(link.host, now + 5)
                frontier.put_back(link)
                times[link.row] -= 1
            else:
                settled[link.row] = True
                frontier.done(link)
        now += rng.random()
    assert settled.all()
    assert frontier.num_in_flight == frontier.num_hosts == 0
    assert set(times.values()) <= {1}


def test_a_paused_host_waits_and_one_that_asks_for_it_is_asked_less_often(tmp_path):
    frontier = open_frontier(tmp_path, [(f"http://a.example/{n}", 1) for n in range(4)])
    first = frontier.next(0.0)
    assert first
    frontier.pause("a.example", 50.0)
    frontier.slow_down("a.example", 7.0)
    frontier.put_back(first)
    assert frontier.next(49.9) is None
    again = frontier.next(50.0)
    assert again
    assert (again.row, again.tries) == (first.row, 1)
    frontier.done(again)
    assert frontier.next_ready_at() == pytest.approx(57.0)


def test_a_host_that_is_given_up_is_emptied_without_delay(tmp_path):
    frontier = open_frontier(tmp_path, [(f"http://a.example/{n}", 1) for n in range(30)])
    link = frontier.next(0.0)
    frontier.drain("a.example")
    for _ in range(30):
        assert link
        frontier.done(link)
        link = frontier.next(0.0)
    assert link is None


def test_the_order_on_disk_is_made_once_and_a_half_made_one_is_made_anew(tmp_path):
    (tmp_path / ".frontier.sqlite.part").write_bytes(b"half a file")
    open_frontier(tmp_path, [("http://a.example/", 1)]).close()
    made = (tmp_path / ".frontier.sqlite").stat().st_mtime_ns
    open_frontier(tmp_path, [("http://a.example/", 1)]).close()
    assert (tmp_path / ".frontier.sqlite").stat().st_mtime_ns == made
