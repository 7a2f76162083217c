"""Corpora are found by hash and checked byte for byte."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from corpus.errors import UsageError, WebtextError
from corpus.settings import Section
from corpus.stage import StageWriter
from corpus.takedown.withdrawn import withdraw
from flows.corpora.catalog import find_corpus, finished, results_of, verify_lineage
from flows.corpora.summary import corpus_hash, lineage

SCHEMA = pa.schema([("id", pa.string())])


def write_stage(folder: Path, inputs: dict[str, Path], ids: list[str]) -> Path:
    writer = StageWriter(folder.parent.name, Section(), inputs, folder)
    writer.write("train-00000.arrow", [{"id": each} for each in ids], SCHEMA)
    writer.finish(len(ids))
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        unique = write_stage(tmp_path / "unique" / name, {}, [name])
        write_stage(tmp_path / "tokens" / name, {"documents": unique}, [name])
    return tmp_path


def test_a_corpus_is_found_by_the_beginning_of_its_hash_or_by_its_folder(data: Path):
    folder = data / "tokens" / "a"
    assert find_corpus(data, corpus_hash(folder)[:8]) == folder
    assert find_corpus(data, str(folder)) == folder


def test_no_corpus_and_two_corpora_are_said_to_be_so(data: Path):
    with pytest.raises(UsageError, match="there is no corpus") as caught:
        find_corpus(data, "zzz")
    assert f"webtext corpus list --data {data}" in caught.value.hint
    with pytest.raises(UsageError, match="more than one"):
        find_corpus(data, "")


def test_an_unfinished_folder_is_no_corpus(data: Path):
    (data / "tokens" / "c").mkdir()
    assert [folder.name for folder, _ in finished(data, "tokens")] == ["a", "b"]


def test_lineage_survives_a_move_of_the_data_folder(data: Path, tmp_path: Path):
    moved = data.rename(tmp_path.with_name(f"{tmp_path.name}-moved"))
    assert lineage(moved / "tokens" / "a") == {
        "unique": moved / "unique" / "a",
        "tokens": moved / "tokens" / "a",
    }


def test_results_are_found_by_what_they_are_of(data: Path):
    overlap = write_stage(data / "overlap" / "x", {"tokens": data / "tokens" / "a"}, ["1"])
    assert results_of(data / "tokens" / "a", "overlap", "tokens") == [overlap]
    assert results_of(data / "tokens" / "b", "overlap", "tokens") == []


def test_one_flipped_bit_anywhere_in_the_lineage_is_found(data: Path):
    folder = data / "tokens" / "a"
    num_files, num_bytes = verify_lineage(folder)
    assert num_files == 2
    assert num_bytes > 0
    shard = data / "unique" / "a" / "train-00000.arrow"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(WebtextError, match=r"unique/a/train-00000\.arrow is damaged"):
        verify_lineage(folder)
    shard.unlink()
    with pytest.raises(WebtextError, match="is missing"):
        verify_lineage(folder)


def test_a_folder_in_the_place_of_another_is_found(data: Path):
    folder = data / "tokens" / "a"
    shutil.rmtree(data / "unique" / "a")
    write_stage(data / "unique" / "a", {}, ["other"])
    with pytest.raises(WebtextError, match=r"unique/a is not what .*tokens/a was made from"):
        verify_lineage(folder)


def test_a_withdrawn_corpus_is_not_listed_and_names_what_took_its_place(data: Path):
    old, new = data / "tokens" / "a", data / "tokens" / "b"
    name = corpus_hash(old)
    withdraw(old, "b")
    assert [folder for folder, _ in finished(data, "tokens")] == [new]
    for asked in (name, str(old)):
        with pytest.raises(UsageError, match=f"{name} was withdrawn") as caught:
            find_corpus(data, asked)
        assert corpus_hash(new) in caught.value.hint
    with pytest.raises(WebtextError, match="was withdrawn"):
        verify_lineage(old)


def test_of_a_corpus_that_was_not_replaced_the_hint_says_to_build_again(data: Path):
    withdraw(data / "tokens" / "a", None)
    with pytest.raises(UsageError) as caught:
        find_corpus(data, str(data / "tokens" / "a"))
    assert "Build it again" in caught.value.hint
