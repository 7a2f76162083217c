"""A corpus is not trusted but checked: by `webtext corpus verify`, and before a stage reads it."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from corpus.errors import WebtextError
from corpus.manifest import MANIFEST, Manifest, read_manifest
from corpus.settings import Section
from flows.corpora.catalog import verify_lineage
from flows.run_stage import Stage, run_stage
from tests.corpus.small_corpus import make_corpus, write_documents

STAGES = ["documents", "unique", "tokens"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_corpus(tmp_path_factory.mktemp("data"))


@pytest.fixture
def folders(corpus: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    """A copy to damage."""
    return {
        stage: Path(shutil.copytree(folder, tmp_path / stage / folder.name))
        for stage, folder in corpus.items()
    }


def files(folder: Path) -> list[Path]:
    return [folder / shard.name for shard in read_manifest(folder).shards]


def test_a_whole_corpus_is_whole(corpus: dict[str, Path]):
    paths = [path for folder in corpus.values() for path in files(folder)]
    assert verify_lineage(corpus["tokens"]) == (len(paths), sum(p.stat().st_size for p in paths))


@settings(max_examples=40)
@given(stage=st.sampled_from(STAGES), data=st.data())
def test_one_flipped_bit_anywhere_in_a_corpus_is_found_and_named(corpus, stage: str, data):
    # Rejects and the tokenizer's files are of the corpus, too.
    path = data.draw(st.sampled_from(files(corpus[stage])))
    whole = path.read_bytes()
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    damaged = bytearray(whole)
    damaged[bit // 8] ^= 1 << bit % 8
    path.write_bytes(damaged)
    try:
        with pytest.raises(WebtextError) as caught:
            verify_lineage(corpus["tokens"])
        assert f"{path} is damaged" in caught.value.message
        assert caught.value.hint
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("stage", STAGES)
def test_a_missing_file_of_any_stage_is_named(folders: dict[str, Path], stage: str):
    path = files(folders[stage])[-1]
    path.unlink()
    with pytest.raises(WebtextError) as caught:
        verify_lineage(folders["tokens"])
    assert f"{path} is missing" in caught.value.message


def test_no_stage_runs_on_a_damaged_input(folders: dict[str, Path]):
    shard = folders["unique"] / "documents-00001.arrow"
    shard.write_bytes(shard.read_bytes()[:-1] + b"\0")

    def never(*_: object) -> Manifest:
        raise AssertionError("it ran")

    data = folders["unique"].parents[1]
    inputs = {"documents": folders["unique"]}
    with pytest.raises(WebtextError) as caught:
        run_stage.fn(Stage("counts", never), Section(), inputs, data)
    assert f"{shard} is damaged" in caught.value.message


def test_a_stage_folder_in_the_place_of_another_is_found(folders: dict[str, Path]):
    # Each folder is whole; but the unique documents are not of these documents.
    shutil.rmtree(folders["documents"])
    write_documents(folders["documents"], seed=1)
    with pytest.raises(WebtextError) as caught:
        verify_lineage(folders["tokens"])
    assert str(folders["documents"]) in caught.value.message


def test_a_folder_without_its_manifest_is_no_stage(folders: dict[str, Path]):
    (folders["tokens"] / MANIFEST).unlink()
    with pytest.raises(WebtextError, match="has not ended"):
        verify_lineage(folders["tokens"])
