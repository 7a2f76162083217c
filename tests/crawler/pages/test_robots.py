"""What is kept of robots.txt files, and for how long."""

import pytest

from crawler.pages import robots
from crawler.pages.robots import RobotsCache

RULES = b"User-agent: webtext\nDisallow: /private\nCrawl-delay: 3\n"
DAY_S = 24 * 3600


def allows(cache: RobotsCache, url: str, now: float = 0.0) -> bool | None:
    rules = cache.get("https://a.example", now)
    return None if rules is None else rules.can_fetch(url, "webtext")


def test_a_file_is_obeyed_for_a_day_and_then_asked_for_again():
    cache = RobotsCache()
    assert allows(cache, "https://a.example/private/x") is None
    cache.put("https://a.example", RULES, now=0.0)
    assert allows(cache, "https://a.example/private/x") is False
    assert allows(cache, "https://a.example/public", now=DAY_S - 1) is True
    assert allows(cache, "https://a.example/public", now=DAY_S + 1) is None


@pytest.mark.parametrize("body", [b"", b"\xff\xfe\x00", b"<html>no</html>", b"Disallow: /"])
def test_a_file_that_makes_no_sense_allows_all(body):
    cache = RobotsCache()
    cache.put("https://a.example", body, now=0.0)
    assert allows(cache, "https://a.example/x") is True


def test_what_is_kept_is_bounded_and_the_oldest_goes_first(monkeypatch):
    monkeypatch.setattr(robots, "_MAX_KEPT_BYTES", 5 * len(RULES))
    cache = RobotsCache()
    for number in range(9):
        cache.put(f"https://h{number}.example", RULES, now=0.0)
    kept = [n for n in range(9) if cache.get(f"https://h{n}.example", 0.0)]
    assert kept == [4, 5, 6, 7, 8]


def test_only_the_first_500_kib_are_read():
    cache = RobotsCache()
    body = b"User-agent: *\n" + b"# padding\n" * 60_000 + b"Disallow: /late\n"
    cache.put("https://a.example", body, now=0.0)
    assert allows(cache, "https://a.example/late") is True
