"""Shards are read back as written, and a damaged one is named."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from corpus.errors import WebtextError
from corpus.shards import BATCH_ROWS, num_rows, open_shard, read_rows, write_shard

SCHEMA = pa.schema([("id", pa.string()), ("text", pa.large_string())])


@settings(max_examples=20)
@given(st.lists(st.fixed_dictionaries({"id": st.text(), "text": st.text()}), max_size=20))
def test_rows_come_back_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, rows):
    path = tmp_path_factory.mktemp("shards") / "a.arrow"
    assert write_shard(path, rows, SCHEMA) == len(rows)
    assert list(read_rows(path)) == rows


def test_a_long_shard_is_read_a_batch_at_a_time(tmp_path: Path):
    path = tmp_path / "a.arrow"
    write_shard(path, ({"id": str(i), "text": "x"} for i in range(3 * BATCH_ROWS + 1)), SCHEMA)
    assert open_shard(path).num_record_batches == 4
    assert num_rows(path) == 3 * BATCH_ROWS + 1


def test_the_same_rows_make_the_same_bytes(tmp_path: Path):
    rows = [{"id": str(i), "text": "word " * i} for i in range(100)]
    for name in ("a", "b"):
        write_shard(tmp_path / name, iter(rows), SCHEMA)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_truncated_shard_is_named(tmp_path: Path):
    path = tmp_path / "a.arrow"
    write_shard(path, [{"id": "1", "text": "x" * 1000}], SCHEMA)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(WebtextError, match=r"a\.arrow is damaged"):
        open_shard(path)
