"""The table and the curve say what the rows say: checked against plain statistics."""

import statistics

import pytest
from hypothesis import given, settings, strategies as st

from corpus.schema import REJECTS
from corpus.shards import write_shard
from dedup.overlap.summary import OVERLAP, overlap_cdf, summarise

COUNTS = st.tuples(st.integers(1, 40), st.integers(0, 40)).map(lambda c: (c[0], min(c)))


def write_table(folder, rows: list[tuple], too_short: tuple[str, ...] = ()) -> None:
    folder.mkdir(exist_ok=True)
    table = (
        dict(zip(OVERLAP.names, (slug, i, part, ngrams + 7, ngrams, found), strict=True))
        for slug, i, part, ngrams, found in rows
    )
    write_shard(folder / "overlap-00000.arrow", table, OVERLAP)
    rejects = ({"key": key, "reason": "too_short", "detail": ""} for key in too_short)
    write_shard(folder / "rejects-00000.arrow", rejects, REJECTS)


@given(st.lists(COUNTS, min_size=1, max_size=30))
@settings(max_examples=30)
def test_the_figures_are_the_statistics_of_the_rows(tmp_path_factory, counts):
    folder = tmp_path_factory.mktemp("overlap")
    write_table(folder, [("ptb", i, "text", *both) for i, both in enumerate(counts)])
    [row] = summarise(folder)
    percents = [100 * found / ngrams for ngrams, found in counts]
    assert (row.num_examples, row.num_ngrams) == (len(counts), sum(n for n, _ in counts))
    assert row.percent_found == pytest.approx(
        100 * sum(found for _, found in counts) / row.num_ngrams
    )
    assert row.mean == pytest.approx(statistics.mean(percents))
    assert row.median == pytest.approx(statistics.median(percents))
    assert row.percent_examples_any == pytest.approx(
        100 * sum(percent > 0 for percent in percents) / len(percents)
    )
    assert row.percent_examples_over_15 == pytest.approx(
        100 * sum(percent > 15 for percent in percents) / len(percents)
    )
    assert row.paper_percent == 0.88

    xs, shares = overlap_cdf(folder, "ptb")
    assert list(xs) == sorted(set(percents))
    for x, share in zip(xs, shares, strict=True):
        assert share == pytest.approx(100 * sum(p <= x for p in percents) / len(percents))


def test_an_example_is_too_short_if_all_its_parts_are(tmp_path):
    rows = [("coqa", 0, "passage", 10, 5), ("coqa", 0, "question", 10, 0)]
    write_table(tmp_path, rows, ("coqa:0:answer", "coqa:1:passage", "coqa:1:question"))
    whole, passage, question = summarise(tmp_path)
    assert [row.name for row in (whole, passage, question)] == [
        "CoQA",
        "CoQA, passage",
        "CoQA, question",
    ]
    assert (whole.percent_found, passage.percent_found, question.percent_found) == (25, 50, 0)
    assert (whole.num_too_short, passage.num_too_short, question.num_too_short) == (1, 1, 1)
    assert list(overlap_cdf(tmp_path, "coqa")[0]) == [25]


def test_a_set_that_was_not_measured_has_no_row_and_no_curve(tmp_path):
    write_table(tmp_path, [])
    assert summarise(tmp_path) == []
    assert [len(axis) for axis in overlap_cdf(tmp_path, "ptb")] == [0, 0]
