"""A corpus and a later round become one: the old shards as they are, the new ones behind them."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from corpus.errors import WebtextError
from corpus.manifest import Manifest, read_manifest
from corpus.runtime import Runtime
from corpus.schema import DOCUMENTS
from corpus.settings import Section
from corpus.shards import open_shard, read_rows, write_shard
from corpus.stage import StageWriter, data_shards
from dedup.extended.stage import ExtendedConfig, run


def texts(new_document, letter: str, count: int) -> list[dict]:
    return [new_document(f"http://{letter}.example/{n}", f"{letter} {n}") for n in range(count)]


def extend(base: Path, new: Path, output: Path, workers: int = 1) -> Manifest:
    inputs = {"base": base, "documents": new}
    return run(ExtendedConfig(), inputs, output, Runtime(workers=workers))


def urls(folder: Path) -> list[list[str]]:
    return [[row["url"] for row in read_rows(path)] for path in data_shards(folder)]


def names(folder: Path) -> list[str]:
    return [path.name for path in data_shards(folder)]


def is_same_file(one: Path, other: Path) -> bool:
    return one.stat().st_ino == other.stat().st_ino


@pytest.fixture
def base(make_documents, new_document) -> Path:
    rows = texts(new_document, "a", 5)
    return make_documents("base", [rows[:3], [], rows[3:]])


@pytest.fixture
def new(make_documents, new_document) -> Path:
    rows = texts(new_document, "b", 4)
    return make_documents("new", [[], rows[:1], [], rows[1:]])


KILLED = """
import os, signal, sys
from pathlib import Path
from corpus.runtime import Runtime
from dedup.extended.stage import ExtendedConfig, run

def replace(temporary, path, rename=Path.replace):
    # At the worst moment: linked, and not yet under its name.
    if Path(path).name == sys.argv[4]:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(temporary, path)

Path.replace = replace
base, new, output = map(Path, sys.argv[1:4])
run(ExtendedConfig(), {"base": base, "documents": new}, output, Runtime())
"""


@pytest.mark.parametrize("number", [1, 4])
def test_a_killed_extension_ends_with_the_same_bytes_and_touches_no_file_of_its_inputs(
    number, base, new, tmp_path
):
    whole = extend(base, new, tmp_path / "whole")
    before = [path.read_bytes() for path in (*data_shards(base), *data_shards(new))]
    name, output = f"documents-{number:05d}.arrow", tmp_path / "killed"
    command = [sys.executable, "-c", KILLED, *map(str, (base, new, output)), name]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert is_same_file(output / f".{name}.part", data_shards(tmp_path / "whole")[number])
    assert not (output / name).exists()

    assert extend(base, new, output, workers=2).hash == whole.hash
    assert [path.read_bytes() for path in (*data_shards(base), *data_shards(new))] == before
    assert not list(output.glob(".*.part"))


def test_old_shards_keep_their_numbers_and_new_ones_follow_without_a_copy(base, new, tmp_path):
    manifest = extend(base, new, tmp_path / "out")
    assert urls(tmp_path / "out") == [*urls(base), urls(new)[1], urls(new)[3]]
    assert names(tmp_path / "out") == [f"documents-{n:05d}.arrow" for n in range(5)]
    sources = [*data_shards(base), data_shards(new)[1], data_shards(new)[3]]
    assert all(map(is_same_file, data_shards(tmp_path / "out"), sources))
    assert (manifest.counts.incoming, manifest.counts.out, manifest.counts.rejects) == (9, 9, {})
    assert manifest.figures == {"num_base_documents": 5, "num_new_documents": 4}


def test_rounds_after_rounds_count_on_and_nothing_is_lost(base, new, make_documents, new_document):
    first = base.with_name("first")
    extend(base, new, first)
    third = make_documents("third", [texts(new_document, "c", 2)])
    manifest = extend(first, third, base.with_name("second"))
    assert urls(base.with_name("second")) == [*urls(first), *urls(third)]
    assert manifest.counts.out == 11
    again = extend(base.with_name("second"), make_documents("none", [[]]), base.with_name("empty"))
    assert again.hash == manifest.hash, "nothing new: the same documents"


def test_an_address_that_the_base_knows_stays_as_the_base_has_it(
    base, make_documents, new_document, tmp_path
):
    changed = new_document("http://a.example/4", "another text since")
    fresh = new_document("http://c.example/", "new")
    new = make_documents("new", [[fresh, changed], texts(new_document, "b", 2)])
    manifest = extend(base, new, tmp_path / "out")
    assert urls(tmp_path / "out") == [*urls(base), [fresh["url"]], urls(new)[1]]
    assert is_same_file(data_shards(tmp_path / "out")[-1], data_shards(new)[1])
    assert (manifest.counts.incoming, manifest.counts.out) == (9, 8)
    assert manifest.counts.rejects == {"known_url": 1}
    assert manifest.figures["num_new_documents"] == 3
    [dropped] = [row for path in tmp_path.glob("out/rejects-*") for row in read_rows(path)]
    assert dropped == {"key": changed["id"], "reason": "known_url", "detail": changed["url"]}


def test_a_piece_of_a_decontaminated_document_has_the_address_of_the_whole(
    make_documents, new_document, tmp_path
):
    whole = new_document("http://a.example/", "one two three")
    pieces = [
        whole | {"id": f"{whole['id']}-{n}", "text": text} for n, text in ((1, "a"), (2, "b"))
    ]
    new = make_documents("new", [[whole, new_document("http://b.example/", "b")]])
    manifest = extend(make_documents("base", [pieces]), new, tmp_path / "out")
    assert manifest.counts.rejects == {"known_url": 1}


def test_shards_from_before_a_column_existed_get_it(base, new, tmp_path):
    older = pa.schema([field for field in DOCUMENTS if field.name != "language"])
    writer = StageWriter("documents", Section(), {}, tmp_path / "older")
    for path in data_shards(base):
        rows = ({k: v for k, v in row.items() if k != "language"} for row in read_rows(path))
        write_shard(tmp_path / "older" / path.name, rows, older)
    writer.finish(5)
    manifest = extend(tmp_path / "older", new, tmp_path / "out")
    assert {open_shard(path).schema for path in data_shards(tmp_path / "out")} == {DOCUMENTS}
    assert urls(tmp_path / "out")[:3] == urls(base)
    assert manifest.hash == extend(base, new, tmp_path / "today").hash


def test_another_disk_gets_copies(base, new, tmp_path, monkeypatch):
    def no_links(source: Path, path: Path) -> None:
        raise OSError(18, "Invalid cross-device link")

    linked = extend(base, new, tmp_path / "linked")
    monkeypatch.setattr(os, "link", no_links)
    assert extend(base, new, tmp_path / "copied").hash == linked.hash
    assert not is_same_file(data_shards(base)[0], data_shards(tmp_path / "copied")[0])


def test_a_damaged_or_missing_shard_is_named(base, new, tmp_path):
    path = data_shards(new)[3]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(WebtextError, match=r"documents-00003\.arrow is damaged"):
        extend(base, new, tmp_path / "out")
    data_shards(base)[2].unlink()
    path.write_bytes(data_shards(base)[0].read_bytes())
    with pytest.raises(WebtextError, match=r"documents-00002\.arrow is missing"):
        extend(base, new, tmp_path / "out")
    (base / "manifest.json").unlink()
    with pytest.raises(WebtextError, match="has not ended"):
        extend(base, new, tmp_path / "out")


@pytest.mark.parametrize("seed", range(3))
def test_any_round_adds_what_is_new_and_nothing_else(seed, make_documents, new_document, tmp_path):
    rng = random.Random(seed)
    pool = texts(new_document, "a", 40)
    old = rng.sample(pool, 20)
    found = rng.sample(pool, 20)
    base = make_documents("base", [old[n::3] for n in range(3)])
    new = make_documents("new", [found[n::4] for n in range(4)])
    manifest = extend(base, new, tmp_path / "out", workers=rng.choice([1, 2]))
    expected = [row["url"] for row in old] + [row["url"] for row in found if row not in old]
    assert sorted(url for shard in urls(tmp_path / "out") for url in shard) == sorted(expected)
    assert manifest.counts.out == len(expected)
    assert names(tmp_path / "out")[:3] == names(base)
    assert read_manifest(tmp_path / "out").counts.incoming == 40
