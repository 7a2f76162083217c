"""Every window once an epoch, in an order that no number of ranks and no resumption changes."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from corpus.tokens.order import SampleOrder, derive_seed, permute

MASK = 2**64 - 1
KEYS = st.integers(0, MASK)

# A false alarm once in a million; seeds are fixed, so a test that passes always passes.
ALPHA = 1e-6


def mixed(value):
    """SplitMix64's output function in plain Python, and below what is built on it."""
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) & MASK
    return value ^ value >> 31


def place_of(index, size, key):
    half_bits = max(1, ((size - 1).bit_length() + 1) // 2)
    value = index
    while True:
        left, right = divmod(value, 2**half_bits)
        for i in range(12):
            left, right = right, left ^ (mixed(mixed((key + i) & MASK) ^ right) % 2**half_bits)
        value = left * 2**half_bits + right
        if value < size:
            return value


def endless(seed, size, first, count):
    """Windows `first` to `first + count` of a run, one by one."""
    places = [divmod(i, size) for i in range(first, first + count)]
    return [place_of(index, size, mixed(mixed(seed) ^ epoch)) for epoch, index in places]


@settings(max_examples=100)
@given(size=st.integers(1, 20) | st.integers(1, 2**62), key=KEYS, data=st.data())
def test_permute_is_the_function_written_down_here(size, key, data):
    indices = data.draw(st.lists(st.integers(0, size - 1), max_size=5))
    places = permute(np.array(indices, dtype=np.int64), size, key)
    assert places.tolist() == [place_of(index, size, key) for index in indices]


def test_no_version_gives_a_seed_another_order():
    assert permute(np.arange(10), 10, key=1).tolist() == [2, 5, 4, 6, 1, 7, 0, 8, 9, 3]
    large = np.array([0, 1, 999_999_999_999])
    assert permute(large, 10**12, key=2**64 - 1).tolist() == [
        521_591_536_423,
        959_139_407_000,
        892_553_048_352,
    ]
    assert SampleOrder(seed=42, num_windows=100_000).batch(12_345, 4).tolist() == [
        63_738,
        27_448,
        34_102,
        1_010,
    ]
    assert derive_seed(1, 2, 3) == 15_020_427_595_393_229_491


@settings(max_examples=40)
@given(size=st.integers(1, 300), key=KEYS)
def test_permute_is_a_permutation(size, key):
    assert sorted(permute(np.arange(size), size, key).tolist()) == list(range(size))


@pytest.mark.parametrize("index", [5, -1, 2**40])
def test_permute_refuses_an_index_outside(index):
    with pytest.raises(ValueError, match=rf"index {index} is not in range\(5\)"):
        permute(np.array([0, index, 4]), 5, key=0)


@settings(max_examples=100)
@given(
    seed=st.integers(-5, 2**63),
    num_windows=st.integers(1, 500),
    world_size=st.integers(1, 64),
    micro_batch_size=st.integers(1, 3),
    accumulation=st.integers(1, 3),
    step=st.integers(0, 10**6),
)
def test_the_micro_batches_of_all_ranks_are_the_global_batch_whatever_their_number(
    seed, num_windows, world_size, micro_batch_size, accumulation, step
):
    batch_size = world_size * micro_batch_size * accumulation
    micro_batches = []
    for rank in range(world_size):
        # Each rank is a process that has just begun, as after a resumption.
        share = SampleOrder(seed, num_windows).batch(step, batch_size, rank, world_size)
        micro_batches += np.split(share, accumulation)
    assert {len(micro_batch) for micro_batch in micro_batches} == {micro_batch_size}
    windows = np.concatenate(micro_batches).tolist()
    assert windows == endless(seed, num_windows, step * batch_size, batch_size)


@settings(max_examples=40)
@given(num_windows=st.integers(1, 60), batch_size=st.integers(1, 70), seed=KEYS)
def test_every_window_comes_once_an_epoch(num_windows, batch_size, seed):
    order = SampleOrder(seed, num_windows)
    num_steps = math.ceil(3 * num_windows / batch_size)
    seen = np.concatenate([order.batch(step, batch_size) for step in range(num_steps)])
    for epoch in range(3):
        of_epoch = seen[epoch * num_windows : (epoch + 1) * num_windows].tolist()
        assert sorted(of_epoch) == list(range(num_windows))
        assert of_epoch == [order.sample(epoch, index) for index in range(num_windows)]


@st.composite
def ranges(draw):
    edges = sorted(draw(st.sets(st.integers(0, 40), max_size=8)))
    return tuple(zip(edges[::2], edges[1::2], strict=False))


@settings(max_examples=60)
@given(skipped=ranges(), num_windows=st.integers(1, 100))
def test_skipped_ranges_leave_the_plain_order_without_those_steps(skipped, num_windows):
    plain, order = SampleOrder(7, num_windows), SampleOrder(7, num_windows, skipped)
    left = [step for step in range(60) if not any(a <= step < b for a, b in skipped)]
    for step, plain_step in enumerate(left):
        assert order.plain_step(step) == plain_step
        for rank in range(2):
            expected = plain.batch(plain_step, 6, rank, 2)
            assert order.batch(step, 6, rank, 2).tolist() == expected.tolist()


@pytest.mark.parametrize("skipped", [((3, 3),), ((4, 3),), ((-1, 2),), ((5, 9), (8, 12))])
def test_ranges_that_do_not_follow_one_another_are_refused(skipped):
    with pytest.raises(ValueError, match=rf"\[{skipped[-1][0]}, {skipped[-1][1]}\] is no range"):
        SampleOrder(0, 10, skipped)


def test_ranges_may_touch():
    assert SampleOrder(0, 10, ((2, 4), (4, 5))).plain_step(2) == 5


def test_what_cannot_be_ordered_or_shared_is_refused():
    with pytest.raises(ValueError, match="3 ranks cannot share a batch of 8"):
        SampleOrder(0, 10).batch(0, 8, 0, 3)
    with pytest.raises(ValueError, match="there must be a window"):
        SampleOrder(0, 0)


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = {
        tuple(SampleOrder(seed, 50).batch(epoch, 50).tolist())
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(orders) == 9


def first_epochs(size, num_seeds):
    """The first epoch of many seeds: (num_seeds, size)."""
    return np.stack([SampleOrder(seed, size).batch(0, size) for seed in range(num_seeds)])


def assert_even(counts, freedom=None):
    """Pearson's chi-square test: counts that should differ by chance alone."""
    freedom = freedom or counts.size - 1
    mean = counts.sum() / counts.size
    chi_square = ((counts - mean) ** 2 / mean).sum()
    # The quantile by Wilson and Hilferty's approximation (1931).
    spread = 2 / (9 * freedom)
    normal = NormalDist().inv_cdf(1 - ALPHA)
    assert chi_square < freedom * (1 - spread + normal * math.sqrt(spread)) ** 3


@pytest.mark.parametrize("size", [2, 3, 5, 9, 16, 17, 100, 1000])
def test_each_place_comes_to_each_index_equally_often(size):
    orders = first_epochs(size, num_seeds=6000)
    counts = np.stack([np.bincount(column, minlength=size) for column in orders.T])
    assert_even(counts, (size - 1) ** 2)


@pytest.mark.parametrize("size", [3, 5, 9, 16, 17, 100, 1000])
def test_neighbours_are_apart_by_any_distance_equally_often(size):
    orders = first_epochs(size, num_seeds=6000)
    for index in range(min(size - 1, 20)):
        apart = (orders[:, index + 1] - orders[:, index]) % size
        assert_even(np.bincount(apart, minlength=size)[1:])


@pytest.mark.parametrize("size", [2, 3, 4])
def test_whole_permutations_of_few_come_equally_often(size):
    orders = first_epochs(size, num_seeds=6000)
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == math.factorial(size)
    assert_even(counts)


@pytest.mark.parametrize(("size", "power_of_four"), [(16, 16), (15, 16), (17, 64), (33, 64)])
def test_even_and_odd_permutations_differ_as_the_docstring_says(size, power_of_four):
    orders = first_epochs(size, num_seeds=6000)
    before, after = np.triu_indices(size, k=1)
    num_odd = ((orders[:, before] > orders[:, after]).sum(axis=1) % 2).sum()
    difference = size * (size - 1) / (power_of_four * (power_of_four - 1))
    # Each value that is walked past turns even into odd.
    sign = 1 if (power_of_four - size) % 2 == 0 else -1
    assert num_odd / 6000 == pytest.approx((1 - sign * difference) / 2, abs=0.03)
