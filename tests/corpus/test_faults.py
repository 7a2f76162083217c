"""Whatever happens to a finished folder or to the disk is said with the file's name and a remedy.

A corpus of the real stages: documents, unique documents, tokens. tests/flows/test_faults.py does
the same with the commands that check one.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings, strategies as st

from corpus.errors import WebtextError
from corpus.manifest import MANIFEST, read_manifest
from corpus.schema import DOCUMENTS
from corpus.stage import data_shards
from corpus.tokens.windows import TokenWindows
from corpus.verify import verify_folder
from tests.corpus.small_corpus import make_corpus, run_stage, write_documents
from tests.corpus.stage_on_small_disk import main

ROOT = Path(__file__).parents[2]
STAGES = ["documents", "unique", "tokens"]

Folders = dict[str, Path]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return make_corpus(tmp_path_factory.mktemp("data"))


@pytest.fixture
def folders(corpus: Folders, tmp_path: Path) -> Folders:
    """A copy to damage."""
    return {
        stage: Path(shutil.copytree(folder, tmp_path / stage / folder.name))
        for stage, folder in corpus.items()
    }


def verify(folder: Path) -> None:
    deque(verify_folder(folder), maxlen=0)


def error_of(function: Callable[..., object], *args: object) -> WebtextError:
    with pytest.raises(WebtextError) as caught:
        function(*args)
    assert caught.value.hint.endswith(".")
    return caught.value


def rewrite(folder: Path, change: Callable[[dict], object]) -> None:
    manifest = orjson.loads((folder / MANIFEST).read_bytes())
    change(manifest)
    (folder / MANIFEST).write_bytes(orjson.dumps(manifest))


@settings(max_examples=40)
@given(stage=st.sampled_from(STAGES), data=st.data())
def test_a_flipped_bit_in_any_shard_is_found_and_named(corpus: Folders, stage: str, data):
    path = data.draw(st.sampled_from(data_shards(corpus[stage])))
    whole = path.read_bytes()
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    damaged = bytearray(whole)
    damaged[bit // 8] ^= 1 << bit % 8
    path.write_bytes(damaged)
    try:
        assert str(path) in error_of(verify, corpus[stage]).message
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("stage", ["unique", "tokens"])
@pytest.mark.parametrize("change", ["missing", "truncated"])
def test_a_stage_names_the_shard_that_it_cannot_read(folders: Folders, stage: str, change: str):
    source = folders[STAGES[STAGES.index(stage) - 1]]
    shard = source / "documents-00001.arrow"
    whole = shard.read_bytes()
    shard.unlink() if change == "missing" else shard.write_bytes(whole[: len(whole) // 2])
    output = source.parents[1] / "again"
    assert str(shard) in error_of(run_stage, stage, folders, output).message
    shard.write_bytes(whole)
    assert run_stage(stage, folders, output).hash == read_manifest(folders[stage]).hash
    assert [path.name for path in output.rglob(".*")] == []


@pytest.mark.parametrize("change", ["missing", "truncated", "of another corpus"])
def test_training_windows_name_the_shard_that_they_cannot_read(folders: Folders, change: str):
    shard = folders["tokens"] / "train-00000.arrow"
    windows = TokenWindows(folders["tokens"], "train", 64)
    whole = shard.read_bytes()
    shard.unlink()
    if change == "truncated":
        shard.write_bytes(whole[: len(whole) // 2])
    if change == "of another corpus":
        shutil.copy(folders["tokens"] / "train-00002.arrow", shard)
    assert str(shard) in error_of(windows.read, [0]).message


@settings(max_examples=40)
@given(stage=st.sampled_from(STAGES), share=st.floats(0, 1, exclude_max=True))
def test_a_truncated_manifest_is_named(corpus: Folders, stage: str, share: float):
    path = corpus[stage] / MANIFEST
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    try:
        assert str(path) in error_of(read_manifest, corpus[stage]).message
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda manifest: manifest.update(epoch=3), "epoch"),
        (lambda manifest: manifest["shards"][0].update(crc="0"), "shards.0.crc"),
        (lambda manifest: manifest.pop("counts"), "counts"),
        (lambda manifest: manifest["shards"][1].pop("sha256"), "shards.1.sha256"),
        (lambda manifest: manifest["shards"][0].update(kind="index"), "shards.0.kind"),
        (lambda manifest: manifest["counts"].update({"in": 10**6}), "counts"),
    ],
)
def test_a_manifest_of_another_version_is_named_with_the_key(
    folders: Folders, change: Callable[[dict], object], named: str
):
    rewrite(folders["unique"], change)
    error = error_of(read_manifest, folders["unique"])
    assert f"{folders['unique'] / MANIFEST} is not a manifest that this version reads" in str(error)
    assert f": {named}: " in error.message


def test_a_manifest_of_before_the_optional_keys_is_read(folders: Folders):
    wanted = read_manifest(folders["tokens"])

    def make_older(manifest: dict) -> None:
        for key in ("figures", "problems", "replaces", "replaced_by"):
            del manifest[key]
        for shard in manifest["shards"]:
            del shard["tokens"]

    rewrite(folders["tokens"], make_older)
    older = read_manifest(folders["tokens"])
    assert (older.hash, older.counts) == (wanted.hash, wanted.counts)
    assert {shard.tokens for shard in older.shards} == {None}
    verify(folders["tokens"])


def test_documents_of_before_a_column_are_read_with_nothing_in_it(corpus: Folders, tmp_path: Path):
    without = DOCUMENTS.remove(DOCUMENTS.get_field_index("license"))
    write_documents(tmp_path / "older", 0, without)
    run_stage("unique", {"documents": tmp_path / "older"}, tmp_path / "out")
    assert read_manifest(tmp_path / "out").hash == read_manifest(corpus["unique"]).hash


@pytest.mark.parametrize("stage", STAGES)
def test_the_manifest_of_another_corpus_does_not_fit_the_shards(
    folders: Folders, stage: str, tmp_path: Path
):
    write_documents(tmp_path / "other", seed=1)
    others = {
        "documents": tmp_path / "other",
        "unique": folders["documents"],
        "tokens": folders["unique"],
    }
    shutil.copy(others[stage] / MANIFEST, folders[stage] / MANIFEST)
    assert str(folders[stage]) in error_of(verify, folders[stage]).message


def test_an_empty_folder_is_a_stage_that_has_not_ended(tmp_path: Path):
    assert f"{tmp_path} has no {MANIFEST}" in error_of(verify, tmp_path).message


@pytest.mark.parametrize("name", ["../x.arrow", "a/../../x.arrow", "/etc/passwd", ".", ""])
def test_a_manifest_that_names_a_file_outside_its_folder_is_refused(folders: Folders, name: str):
    rewrite(folders["unique"], lambda manifest: manifest["shards"][0].update(name=name))
    assert "shards.0.name" in error_of(read_manifest, folders["unique"]).message


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.update(hash="0" * 64),
        lambda manifest: manifest["shards"].pop(0),  # the shard lies there, but nobody reads it
    ],
)
def test_a_manifest_whose_hash_is_not_that_of_its_shards_is_damaged(
    folders: Folders, change: Callable[[dict], object]
):
    rewrite(folders["unique"], change)
    assert str(folders["unique"] / MANIFEST) in error_of(verify, folders["unique"]).message


@pytest.mark.parametrize(
    ("stage", "shares"),
    [
        ("unique", [5, 40, 80, 150, 220]),
        ("tokens", [90]),
        pytest.param("tokens", [2, 20, 50, 70], marks=pytest.mark.slow),
    ],
)
def test_a_stage_goes_on_where_a_full_disk_stopped_it(
    corpus: Folders, stage: str, shares: list[int], tmp_path: Path
):
    """A real file system, of a share (%) of the finished folder's size, grown until all fits."""
    size_kib = sum(shard.bytes for shard in read_manifest(corpus[stage]).shards) / 1024
    sizes = [*(int(size_kib * share / 100) for share in shares), 4096]
    data = corpus[stage].parents[1]
    # No script: worker processes would import its modules once more, which takes a second each.
    script = f"from {main.__module__} import main; main()"
    command = [sys.executable, "-c", script, stage, data, tmp_path, *map(str, sizes)]
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", *command],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"needs user namespaces: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    first, *_, last = said = [json.loads(line) for line in done.stdout.splitlines()]
    for each in said:
        fits = each["hash"] == read_manifest(corpus[stage]).hash
        assert fits or f"no space left to write {tmp_path}/out/" in each["error"]
        assert fits or "Free some disk space" in each["hint"]
        assert each["unfinished"] == []
    assert first["error"]
    assert last["hash"]
    assert last["scratch"] == []
    # Nothing that was finished is lost on the way.
    for before, after in pairwise(said):
        assert set(before["shards"]) <= set(after["shards"])
