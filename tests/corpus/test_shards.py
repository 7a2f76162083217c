"""Shards are read back as written, and a damaged one is named."""

import random
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


def test_columns_are_read_alone(tmp_path: Path):
    path = tmp_path / "a.arrow"
    write_shard(path, [{"id": "1", "text": "x"}], SCHEMA)
    assert open_shard(path, ["text"]).get_batch(0).to_pydict() == {"text": ["x"]}
    assert list(read_rows(path, ["id"])) == [{"id": "1"}]
    with pytest.raises(WebtextError, match=r"a\.arrow has no column language"):
        open_shard(path, ["language"])


def test_a_missing_shard_is_named(tmp_path: Path):
    for read in (open_shard, num_rows, lambda path: list(read_rows(path))):
        with pytest.raises(WebtextError, match=r"a\.arrow is missing"):
            read(tmp_path / "a.arrow")


def test_damage_is_named_wherever_it_is_seen(tmp_path: Path):
    path = tmp_path / "a.arrow"
    rng = random.Random(1)
    texts = ["é".join(map(str, rng.choices(range(99), k=300))) for _ in range(50)]
    write_shard(path, [{"id": str(i), "text": text} for i, text in enumerate(texts)], SCHEMA)
    whole = path.read_bytes()

    def is_named(place: int) -> bool:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            list(read_rows(path))
        except WebtextError as exc:
            return exc.message.startswith(f"shard {path} is damaged")
        return False  # what zstd does not see, the manifest's sha256 does

    places = rng.choices(range(len(whole)), k=200)
    assert sum(map(is_named, places)) > 50
