"""Any byte that changed on disk is found, and named with its file."""

import pytest
from hypothesis import given, settings, strategies as st

from corpus.errors import WebtextError
from corpus.schema import REJECTS
from corpus.settings import Section
from corpus.shards import shard_name
from corpus.stage import StageWriter, reject
from corpus.verify import verify_folder


class NoConfig(Section):
    pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage")
    writer = StageWriter("links", NoConfig(), {}, folder)
    for index in range(3):
        writer.write(shard_name("links", index), [reject(f"key {index}", "none")] * 9, REJECTS)
    writer.write_rejects(0, [reject("a", "b")])
    writer.finish(28, num_out=27)
    return folder


def test_a_whole_folder_is_whole(folder):
    sizes = list(verify_folder(folder))
    assert sum(sizes) == sum(path.stat().st_size for path in folder.glob("*.arrow"))
    assert len(list(verify_folder(folder, {"data"}))) == 3
    assert len(list(verify_folder(folder, {"rejects"}))) == 1


@settings(max_examples=60)
@given(shard=st.integers(0, 2), data=st.data())
def test_a_flipped_bit_anywhere_is_found(folder, shard, data):
    path = folder / shard_name("links", shard)
    whole = path.read_bytes()
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    damaged = bytearray(whole)
    damaged[bit // 8] ^= 1 << bit % 8
    path.write_bytes(damaged)
    try:
        with pytest.raises(WebtextError, match=rf"{path} is damaged"):
            list(verify_folder(folder))
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("change", ["missing", "shorter", "longer"])
def test_a_shard_that_is_gone_or_of_another_size_is_found(folder, change):
    path = folder / shard_name("links", 1)
    whole = path.read_bytes()
    path.unlink()
    if change != "missing":
        path.write_bytes(whole[:-1] if change == "shorter" else whole + b"\0")
    try:
        with pytest.raises(WebtextError, match=path.name) as error:
            list(verify_folder(folder))
    finally:
        path.write_bytes(whole)
    assert ("missing" if change == "missing" else "bytes, not") in error.value.message
