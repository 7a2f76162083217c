"""A stage's folder: shards one by one, counts from what lies there, the manifest last."""

from pathlib import Path

import pyarrow as pa
import pytest

from corpus.errors import UsageError
from corpus.manifest import is_finished, read_manifest
from corpus.settings import Section
from corpus.stage import StageWriter, data_shards, describe_input, describe_shards, reject

SCHEMA = pa.schema([("url", pa.string())])


def write_stage(folder: Path, num_incoming: int = 3) -> None:
    writer = StageWriter("links", Section(), {}, folder)
    writer.write_rejects(0, [reject("c", "low_score", "2"), reject("d", "self_post")])
    writer.write("links-00000.arrow", [{"url": "a"}], SCHEMA)
    writer.finish(num_incoming, figures={"num_dumps": 1})


def test_the_manifest_counts_what_lies_in_the_folder(tmp_path: Path):
    write_stage(tmp_path)
    manifest = read_manifest(tmp_path)
    assert manifest.counts.model_dump(by_alias=True) == {
        "in": 3,
        "out": 1,
        "rejects": {"low_score": 1, "self_post": 1},
    }
    assert [shard.name for shard in manifest.shards] == [
        "links-00000.arrow",
        "rejects-00000.arrow",
    ]
    assert data_shards(tmp_path) == [tmp_path / "links-00000.arrow"]


def test_a_stage_that_loses_something_is_not_finished(tmp_path: Path):
    with pytest.raises(ValueError, match="is not out"):
        write_stage(tmp_path, num_incoming=4)
    assert not is_finished(tmp_path)


def test_the_same_rows_make_the_same_hash(tmp_path: Path):
    write_stage(tmp_path / "one")
    write_stage(tmp_path / "two")
    assert read_manifest(tmp_path / "one").hash == read_manifest(tmp_path / "two").hash


def test_hidden_files_and_folders_are_no_part_of_a_stage(tmp_path: Path):
    folder = tmp_path / ".hidden" / "stage"  # what lies above it does not matter
    write_stage(folder)
    before = describe_shards(folder)
    (folder / ".step-00000250.tmp").mkdir()
    (folder / ".step-00000250.tmp" / "model.safetensors").touch()
    (folder / ".part").touch()
    assert describe_shards(folder) == before
    assert len(before) == 2


def test_a_training_s_checkpoints_do_not_change_its_hash(tmp_path: Path):
    for name in ("checkpoint", "checkpoints/step-00000250"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "model.safetensors").touch()
    kinds = {shard.name: shard.kind for shard in describe_shards(tmp_path)}
    assert kinds == {
        "checkpoint/model.safetensors": "data",
        "checkpoints/step-00000250/model.safetensors": "lineage",
    }


def test_an_input_is_known_by_its_bytes_whatever_it_is_called(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x")
    assert describe_input(tmp_path / "a").hash == describe_input(tmp_path / "b").hash
    files = [describe_input(tmp_path / name / "file") for name in ("a", "b")]
    assert files[0].hash == files[1].hash
    (tmp_path / "b" / "file").write_bytes(b"y")
    assert describe_input(tmp_path / "a").hash != describe_input(tmp_path / "b").hash


def test_a_missing_input_is_named(tmp_path: Path):
    with pytest.raises(UsageError, match="RS_2017"):
        describe_input(tmp_path / "RS_2017-12.zst")
