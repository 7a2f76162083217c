"""A rebuild does not take in again what earlier corpora hold, and says which of them held it."""

import random
from pathlib import Path

import pytest

from corpus.errors import UsageError
from corpus.manifest import read_manifest
from corpus.runtime import Runtime
from corpus.shards import read_rows
from corpus.stage import data_shards
from dedup.unique.stage import DedupConfig, run

CONFIG = DedupConfig()


def words(seed: int, count: int) -> list[str]:
    rng = random.Random(seed)
    return [f"w{rng.randrange(5_000)}" for _ in range(count)]


def survivors(folder: Path) -> list[str]:
    return [row["url"] for path in data_shards(folder) for row in read_rows(path, ["url"])]


def rejects(folder: Path) -> dict[str, tuple[str, str]]:
    rows = [row for path in folder.glob("rejects-*.arrow") for row in read_rows(path)]
    return {row["key"]: (row["reason"], row["detail"]) for row in rows}


def test_what_a_kept_corpus_holds_is_not_taken_in_again(make_documents, new_document, tmp_path):
    text, other = words(1, 300), words(2, 300)
    kept = new_document("http://kept/", " ".join(text), day=500)
    kept_before = new_document("http://before/", " ".join(other), day=500)
    before = make_documents("before", [[kept_before]])
    earlier = make_documents("earlier", [[], [kept, new_document("http://kept/2", "short")]])
    copy = new_document("http://a/", kept["text"].upper(), day=1)
    near = new_document("http://b/", " ".join(other[2:]), day=2)
    new = new_document("http://c/", " ".join(words(3, 300)), day=3)
    again = new_document("http://d/", new["text"], day=4)
    folder = make_documents("in", [[copy, near], [again, new]])
    inputs = {"documents": folder, "kept-0": before, "kept-1": earlier}
    manifest = run(CONFIG, inputs, tmp_path / "out", Runtime())
    hashes = [read_manifest(path).hash for path in (before, earlier)]
    assert survivors(tmp_path / "out") == ["http://c/"]
    assert rejects(tmp_path / "out") == {
        copy["id"]: ("exact_duplicate", f"{kept['id']} in earlier@{hashes[1][:12]}"),
        near["id"]: (
            "near_duplicate",
            f"{kept_before['id']} in before@{hashes[0][:12]} {294 / 296:.3f}",
        ),
        again["id"]: ("exact_duplicate", new["id"]),
    }
    assert manifest.counts.incoming == 4
    assert [manifest.inputs[f"kept-{i}"].hash for i in range(2)] == hashes
    assert [manifest.figures[f"num_dropped_for_kept_{i}"] for i in range(2)] == [1, 1]
    assert not list((tmp_path / "out").glob(".*"))


def test_a_corpus_kept_as_a_whole_leaves_nothing_new(make_documents, new_document, tmp_path):
    rows = [new_document(f"http://{i}/", " ".join(words(i % 40, 200)), day=i) for i in range(60)]
    folder = make_documents("in", [rows])
    run(CONFIG, {"documents": folder}, tmp_path / "kept", Runtime())
    inputs = {"documents": folder, "kept-0": tmp_path / "kept"}
    manifest = run(CONFIG, inputs, tmp_path / "out", Runtime())
    assert manifest.counts.out == 0
    assert manifest.figures["num_dropped_for_kept_0"] == 60


def test_a_kept_folder_without_documents_is_refused(
    make_documents, make_tokens, new_document, tmp_path
):
    folder = make_documents("in", [[new_document("http://a/", "text")]])
    inputs = {"documents": folder, "kept-0": make_tokens("tokens", ["a"], ["b"])}
    with pytest.raises(UsageError, match="tokens holds no documents"):
        run(CONFIG, inputs, tmp_path / "out", Runtime())
