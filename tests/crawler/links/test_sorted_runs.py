"""Sorted runs: any number of them gives the lines in order, and leaves nothing behind."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from crawler.links import sorted_runs as link_runs
from crawler.links.sorted_runs import RunWriter, merge_runs

LINES = st.lists(
    st.tuples(st.integers(0, 2), st.text("ab/ü", max_size=4), st.text("ab!", max_size=3)),
    max_size=150,
)


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(lines=LINES, run_bytes=st.sampled_from([1, 300, 10**6]))
def test_each_partition_comes_sorted_from_any_number_of_runs(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    lines: list[tuple[int, str, str]],
    run_bytes: int,
):
    folder = tmp_path_factory.mktemp("runs")
    with monkeypatch.context() as patch:
        patch.setattr(link_runs, "RUN_BYTES", run_bytes)
        writer = RunWriter(folder, ".run", num_partitions=3)
        for line in lines:
            writer.add(line[0], line[1], line[2].encode())
        runs = writer.finish()
    for partition in range(3):
        expected = sorted(
            (key.encode(), payload.encode()) for part, key, payload in lines if part == partition
        )
        found = [
            (key, payload.removesuffix(b"\n"))
            for key, payload in merge_runs(folder, runs, partition, ".scratch")
        ]
        assert found == expected
    assert {path.name for path in folder.iterdir()} == {run.name for run in runs}


def test_more_runs_than_can_be_open_at_once_are_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(link_runs, "RUN_BYTES", 1)
    writer = RunWriter(tmp_path, ".run", num_partitions=2)
    for number in range(500):
        writer.add(number % 2, f"{number * 7 % 500:03d}", b"x")
    runs = writer.finish()
    assert len(runs) == 500
    found = [key for key, _ in merge_runs(tmp_path, runs, 1, ".scratch")]
    assert found == sorted(f"{number * 7 % 500:03d}".encode() for number in range(1, 500, 2))
    assert len(list(tmp_path.iterdir())) == 500
