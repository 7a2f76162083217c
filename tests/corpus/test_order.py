"""Every window once per epoch, in an order that no number of ranks changes."""

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pytest
from hypothesis import given, settings, strategies as st

from corpus.errors import WebtextError
from corpus.order import SampleOrder, TokenWindows, permute
from corpus.schema import tokens_schema


def write_tokens(path, documents):
    schema = tokens_schema(1000)
    rows = {"id": [str(i) for i in range(len(documents))], "tokens": documents}
    with pa.ipc.new_file(path, schema) as out:
        out.write_batch(pa.RecordBatch.from_pydict(rows, schema=schema))
    return path


@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 300), key=st.integers(0, 2**64 - 1))
def test_permute_is_a_permutation(size, key):
    assert sorted(permute(i, size, key) for i in range(size)) == list(range(size))


@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 10**12), key=st.integers(0, 2**64 - 1), data=st.data())
def test_permute_stays_in_range_whatever_the_size(size, key, data):
    index = data.draw(st.integers(0, size - 1))
    assert 0 <= permute(index, size, key) < size


def test_permute_refuses_an_index_outside():
    with pytest.raises(ValueError, match=r"index 5 is not in range\(5\)"):
        permute(5, 5, key=0)


def test_order_is_shuffled_evenly():
    order = SampleOrder(seed=1, num_windows=1000)
    first = [order.sample(0, i) for i in range(1000)]
    # Independent places differ by a third of the range on average; neighbours must, too.
    assert abs(np.abs(np.diff(first)).mean() - 1000 / 3) < 30
    assert abs(np.mean(first[:200]) - 500) < 75


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = {
        tuple(SampleOrder(seed, 50).sample(epoch, i) for i in range(50))
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(orders) == 9


@settings(max_examples=40, deadline=None)
@given(
    num_windows=st.integers(1, 40),
    world_size=st.sampled_from([1, 2, 3, 4, 6]),
    step=st.integers(0, 50),
)
def test_ranks_share_the_batch_of_one_rank(num_windows, world_size, step):
    order = SampleOrder(seed=3, num_windows=num_windows)
    shares = [order.batch(step, 12, rank, world_size) for rank in range(world_size)]
    assert [window for share in shares for window in share] == order.batch(step, 12)


def test_steps_see_every_window_once_per_epoch():
    order = SampleOrder(seed=0, num_windows=35)
    seen = [window for step in range(14) for window in order.batch(step, 5)]
    assert sorted(seen[:35]) == sorted(seen[35:]) == list(range(35))


def test_uneven_shares_are_refused():
    with pytest.raises(ValueError, match="3 ranks cannot share a batch of 8"):
        SampleOrder(0, 10).batch(0, 8, 0, 3)


@settings(max_examples=30, deadline=None)
@given(
    shards=st.lists(st.lists(st.lists(st.integers(0, 999), min_size=1), max_size=3), max_size=4),
    block_size=st.integers(1, 9),
)
def test_windows_predict_every_token_once(tmp_path_factory, shards, block_size):
    folder = tmp_path_factory.mktemp("tokens")
    paths = [write_tokens(folder / f"{i}.arrow", shard) for i, shard in enumerate(shards)]
    stream = [token for shard in shards for document in shard for token in document]
    windows = TokenWindows(paths, block_size)
    assert windows.num_tokens == len(stream)
    predicted = [token for i in range(len(windows)) for token in windows[i][1:].tolist()]
    assert predicted == stream[1 : 1 + len(windows) * block_size]
    assert len(stream) - 1 - len(predicted) < block_size
    for i in range(len(windows)):
        assert windows[i].tolist() == stream[i * block_size : (i + 1) * block_size + 1]


def test_there_is_no_window_past_the_end(tmp_path):
    windows = TokenWindows([write_tokens(tmp_path / "a.arrow", [[1, 2, 3, 4, 5]])], 2)
    assert len(windows) == 2
    with pytest.raises(IndexError, match="window 2 of 2"):
        windows[2]


def test_damaged_and_foreign_shards_are_named(tmp_path):
    path = write_tokens(tmp_path / "a.arrow", [[1, 2, 3]])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(WebtextError, match=r"a\.arrow is damaged"):
        TokenWindows([path], 2)
    with pa.ipc.new_file(path, pa.schema([("x", pa.int8())])) as out:
        out.write_batch(pa.RecordBatch.from_pydict({"x": pa.array([1], pa.int8())}))
    with pytest.raises(WebtextError, match="no token shard"):
        TokenWindows([path], 2)
