"""The figures that a crawl shows while it runs."""

from collections import Counter

from corpus.metrics import append_metrics, read_metrics
from crawler.pages.live_figures import LiveFigures, MetricsLog, PartitionState


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def state(fetched: int, dead: int = 0, hosts: int = 1) -> PartitionState:
    outcomes = Counter({"fetched": fetched, "http_404": dead})
    return PartitionState(outcomes, archive_bytes=fetched * 10_000, active_hosts=hosts)


def test_partitions_add_up_and_the_rate_is_that_of_the_last_seconds(tmp_path):
    clock = Clock()
    figures = LiveFigures(1_000, MetricsLog(tmp_path), clock)
    for _ in range(20):
        clock.now += 1
        figures.update(0, state(int(clock.now) * 8, dead=int(clock.now) * 2, hosts=5))
        figures.update(1, state(int(clock.now) * 2, hosts=3))
    shown = figures.as_figures()
    assert shown["active_hosts"] == 8
    assert shown["links_settled"] == 240
    assert shown["outcome.http_404"] == 40
    assert abs(shown["pages_per_s"] - 10) < 1.0
    assert abs(shown["links_per_s"] - 12) < 1.2
    assert abs(shown["seconds_left"] - 760 / 12) < 8
    assert shown["archive_mb"] == 2.0
    assert figures.as_note().startswith("200 pages, ")
    assert "40 http_404, 8 hosts, 2.0 MB" in figures.as_note()


def test_what_an_earlier_run_fetched_counts_as_done_and_not_as_speed(tmp_path):
    clock = Clock()
    figures = LiveFigures(10_000, MetricsLog(tmp_path), clock)
    clock.now = 1.0
    figures.update(0, state(5_000))
    assert figures.outcomes.total() == 5_000
    assert figures.as_figures()["pages_per_s"] == 0
    clock.now = 11.0
    figures.update(0, state(5_020))
    assert 1.5 < figures.as_figures()["pages_per_s"] < 2.5


def test_a_crawl_that_stalls_shows_no_time_left(tmp_path):
    clock = Clock()
    figures = LiveFigures(100, MetricsLog(tmp_path), clock)
    figures.update(0, state(0))
    for _ in range(30):
        clock.now += 1
        figures.update(0, state(0))
    assert "seconds_left" not in figures.as_figures()


def test_the_log_goes_on_where_an_earlier_process_left_it(tmp_path):
    append_metrics(tmp_path, {"step": 500, "pages_per_s": 9.0})
    figures = LiveFigures(100, MetricsLog(tmp_path))
    figures.update(0, state(7))
    figures.log()
    steps = [line["step"] for line in read_metrics(tmp_path)]
    assert steps[0] == 500
    assert steps[-1] > 500
    assert read_metrics(tmp_path)[-1]["outcome.fetched"] == 7
