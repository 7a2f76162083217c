"""The filter forgets no key, keeps its error rate, and has the same bits however it is filled."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from dedup import filter_layout, ngram_filter
from dedup.ngram_filter import NgramFilter
from dedup.ngrams import scan_ngrams
from tests.dedup.filters import filled, part_bits, random_keys, saved_bytes


@pytest.fixture
def many_small_parts(monkeypatch):
    """Filters of a few thousand keys have thousands of parts, in many buckets, many batches."""
    monkeypatch.setattr(filter_layout, "_MAX_PART_BYTES", 256)
    monkeypatch.setattr(ngram_filter, "_KEYS_PER_PART", 2)
    monkeypatch.setattr(ngram_filter, "_MIN_BATCH", 1000)
    monkeypatch.setattr(ngram_filter, "_MAX_BUCKET_BITS", 5)


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 2**64 - 1), max_size=300),
    st.integers(0, 400),
    st.sampled_from([1e-12, 1e-8, 3e-5, 1e-3, 0.01]),
)
def test_no_key_is_forgotten_even_when_overfull(keys, capacity, error_rate):
    keys = np.array(keys, np.uint64)
    filter_ = filled(keys, capacity, error_rate=error_rate)
    assert filter_.contains(keys).all()
    assert filter_.num_added <= len(set(keys.tolist()))


@pytest.mark.parametrize("num_keys", [1, 2, 100, 1000, 1023, 1024, 1025, 30_000, 65_536, 200_000])
@pytest.mark.parametrize("error_rate", [1e-4, 1e-3, 0.007, 0.01])
def test_the_measured_error_rate_is_the_promised_one(num_keys, error_rate):
    # Few keys are a throw of dice: many filters of them make one measurement.
    num_filters = max(1, 400 // num_keys)
    probes = random_keys(2_000_000 // num_filters, seed=1)
    rates = [
        filled(random_keys(num_keys, seed), error_rate=error_rate).contains(probes).mean()
        for seed in range(2, 2 + num_filters)
    ]
    assert np.mean(rates) <= error_rate * 1.15
    assert np.mean(rates) > 0 or num_keys < 1000


@pytest.mark.parametrize("num_keys", [1000, 1024, 100_000])
def test_no_false_positive_in_three_million_at_1e8(num_keys):
    filter_ = filled(random_keys(num_keys))
    assert filter_.contains(random_keys(3_000_000, seed=1)).sum() <= 1
    assert filter_.expected_error_rate < 2e-8


@pytest.mark.parametrize("num_keys", [100, 40_000])
def test_keys_in_a_row_are_as_good_as_random_ones(num_keys):
    filter_ = filled(np.arange(num_keys, dtype=np.uint64), error_rate=1e-3)
    others = np.arange(num_keys, num_keys + 1_000_000, dtype=np.uint64)
    assert filter_.contains(others).mean() <= 1.3e-3
    assert not filter_.is_overfull


@pytest.mark.usefixtures("many_small_parts")
def test_bits_are_the_same_for_any_threads_order_and_batches(tmp_path):
    keys = random_keys(20_000)
    expected = saved_bytes(filled(keys), tmp_path)
    for threads in (2, 5):
        assert saved_bytes(filled(keys, threads=threads), tmp_path) == expected
    assert saved_bytes(filled(np.random.default_rng(1).permutation(keys)), tmp_path) == expected
    in_pieces = NgramFilter(len(keys), n=8)
    for piece in np.split(keys, [0, 1, 7, 1000, 1999, 2001, 15_000]):
        in_pieces.add(piece, threads=3)
        assert in_pieces.contains(piece).all()
    assert saved_bytes(in_pieces, tmp_path) == expected


def test_bits_of_real_sizes_are_the_same_for_any_threads(tmp_path):
    keys = random_keys(1_500_000)
    assert saved_bytes(filled(keys), tmp_path) == saved_bytes(filled(keys, threads=2), tmp_path)


@pytest.mark.usefixtures("many_small_parts")
def test_merged_filters_are_one_filled_with_both(tmp_path):
    keys = random_keys(20_000)
    first, second = filled(keys[:12_000], 20_000), filled(keys[8_000:], 20_000)
    second.save(tmp_path / "second.bloom")
    first.merge(NgramFilter.load(tmp_path / "second.bloom"))
    assert part_bits(first, tmp_path) == part_bits(filled(keys), tmp_path)
    assert first.num_added == pytest.approx(20_000, rel=0.01)


def test_a_filter_merged_with_itself_has_no_more_keys():
    filter_ = filled(random_keys(5_000))
    filter_.merge(filter_)
    assert filter_.num_added == pytest.approx(5_000, rel=0.01)


@pytest.mark.parametrize(
    "other",
    [NgramFilter(10, n=7), NgramFilter(11, n=8), NgramFilter(10, 1e-7, n=8)],
    ids=["n", "capacity", "error_rate"],
)
def test_unlike_filters_do_not_merge(other):
    with pytest.raises(ValueError, match="filters differ"):
        NgramFilter(10, n=8).merge(other)


def test_texts_give_the_ngrams_that_a_scan_gives(monkeypatch, tmp_path):
    monkeypatch.setattr(ngram_filter, "_PIECE_BYTES", 200)
    texts = pa.array(["", *(" ".join(f"w{i * j % 97}" for i in range(j)) for j in range(60)), ""])
    hashes = scan_ngrams(texts, 8).hashes
    expected = saved_bytes(filled(hashes, 2000), tmp_path)
    for threads in (1, 2, 5):
        filter_ = NgramFilter(2000, n=8)
        filter_.add_texts(texts[:20], threads)
        filter_.add_texts(texts[20:], threads)
        filter_.add_texts(texts[:0], threads)
        assert saved_bytes(filter_, tmp_path) == expected
    assert filter_.num_added == len(set(hashes.tolist()))


@pytest.mark.parametrize("capacity", [0, 1, 1000])
def test_a_filter_without_keys_has_none(capacity, tmp_path):
    filter_ = NgramFilter(capacity, n=8)
    filter_.add(np.empty(0, np.uint64))
    filter_.add_texts(pa.array(["too short", ""]))
    assert filter_.num_added == 0
    assert not filter_.is_overfull
    assert filter_.expected_error_rate == 0
    filter_.save(tmp_path / "empty.bloom")
    assert not NgramFilter.load(tmp_path / "empty.bloom").contains(random_keys(1000)).any()


def test_the_same_key_a_million_times_is_one_key():
    filter_ = filled(np.full(1_000_000, 7, np.uint64), capacity=1)
    assert filter_.num_added == 1
    assert not filter_.is_overfull
    assert filter_.contains(random_keys(100_000)).sum() == 0


@pytest.mark.parametrize("error_rate", [1e-8, 1e-3, 0.01])
@pytest.mark.parametrize("capacity", [0, 1, 1000, 100_000])
def test_a_filter_past_its_capacity_says_so(capacity, error_rate):
    assert not filled(random_keys(capacity), error_rate=error_rate).is_overfull
    overfull = filled(random_keys(capacity * 2 + 1), capacity, error_rate=error_rate)
    assert overfull.is_overfull
    assert overfull.num_added > capacity


def test_a_hopelessly_overfull_filter_knows_its_error_rate():
    filter_ = filled(random_keys(100_000), capacity=100)
    assert filter_.is_overfull
    assert filter_.expected_error_rate > 0.99
    filter_.merge(filter_)
    assert filter_.is_overfull


def test_the_expected_error_rate_is_the_measured_one():
    filter_ = filled(random_keys(30_000), capacity=20_000, error_rate=1e-3)
    measured = filter_.contains(random_keys(1_000_000, seed=1)).mean()
    assert filter_.expected_error_rate == pytest.approx(measured, rel=0.1)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"capacity": -1}, "capacity .* -1"),
        ({"error_rate": 0.0}, "error_rate .* 0.0"),
        ({"error_rate": 0.5}, "error_rate .* 0.5"),
        ({"error_rate": 1e-13}, "error_rate .* 1e-13"),
        ({"error_rate": float("nan")}, "error_rate .* nan"),
        ({"n": 0}, "n .* 0"),
    ],
)
def test_a_value_that_no_filter_can_have_is_named(options, named):
    with pytest.raises(ValueError, match=named):
        NgramFilter(**{"capacity": 10, "n": 8} | options)


def test_keys_of_another_type_are_refused():
    with pytest.raises(ValueError, match="uint64, got int64"):
        NgramFilter(10, n=8).add(np.arange(3))
