"""A new version of a stage folder: without some items, everything else the same bytes."""

from pathlib import Path

import pyarrow as pa
import pytest

from corpus.errors import WebtextError
from corpus.manifest import Manifest, is_withdrawn, read_manifest, read_record
from corpus.runtime import Runtime
from corpus.settings import Section
from corpus.shards import read_rows
from corpus.stage import StageWriter, reject
from corpus.takedown.items import items_in
from corpus.takedown.versions import Version, write_version
from corpus.takedown.withdrawn import clear_withdrawn, current_version, left_behind, withdraw
from corpus.verify import verify_folder

SCHEMA = pa.schema([("id", pa.string()), ("url", pa.string()), ("text", pa.large_string())])
CUTS = pa.schema([("id", pa.string()), ("because", pa.string())])
GONE = {"b": "takedown.txt:1", "d": "takedown.txt:2"}


def row(name: str) -> dict:
    return {"id": name, "url": f"https://e.org/{name.partition('-')[0]}", "text": f"all of {name}"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three shards: b is in the first, d in two pieces in the second; e was dropped."""
    writer = StageWriter("decontaminated", Section(), {}, tmp_path / "decontaminated" / "old")
    writer.write_rejects(0, [reject("e", "contaminated", "lambada")])
    writer.write_rejects(1, [reject("f", "too_short", "quotes d")])
    writer.write("lineage-00001.arrow", [{"id": "d", "because": "lambada"}], CUTS)
    for index, names in enumerate((["a", "b", "c"], ["d-1", "d-2", "g"], ["h", "bb"])):
        writer.write(f"documents-{index:05d}.arrow", map(row, names), SCHEMA)
    writer.finish(9, num_out=7)
    (tmp_path / "takedown.txt").write_text("https://e.org/b\nhttps://e.org/d\n")
    return writer.output


def version_of(folder: Path, gone: dict[str, str]) -> Version:
    items = pa.array(sorted(gone), pa.string())
    found = {s.name: items_in(folder / s.name, items) for s in read_manifest(folder).shards}
    touched = {name: each for name, each in found.items() if each}
    return Version(folder, folder.with_name("new"), "id", {}, touched, len(found))


def take(folder: Path, gone: dict[str, str] | None = None, workers: int = 1) -> Manifest:
    gone = GONE if gone is None else gone
    listed = folder.parents[1] / "takedown.txt"
    return write_version(version_of(folder, gone), gone, listed, Runtime(workers))


def ids(folder: Path) -> list[str]:
    return [row["id"] for path in sorted(folder.glob("documents-*")) for row in read_rows(path)]


def test_what_goes_becomes_a_reject_and_nothing_vanishes(folder: Path):
    manifest = take(folder)
    assert ids(folder.with_name("new")) == ["a", "c", "g", "h", "bb"]
    assert manifest.counts.incoming == 9
    assert manifest.counts.out == 5
    assert manifest.counts.rejects == {"takedown": 2, "contaminated": 1, "too_short": 1}
    rows = [
        tuple(row.values())
        for path in sorted(folder.with_name("new").glob("rejects-*"))
        for row in read_rows(path)
    ]
    assert ("b", "takedown", "takedown.txt:1") in rows
    assert ("d", "takedown", "takedown.txt:2") in rows
    assert manifest.replaces == "old"
    assert sum(verify_folder(folder.with_name("new"))) > 0


def test_only_the_shards_concerned_are_written_anew(folder: Path):
    take(folder, {"b": "takedown.txt:1"})
    new = folder.with_name("new")
    anew = {p.name for p in new.glob("*.arrow") if not (folder / p.name).samefile(p)}
    assert anew == {"documents-00000.arrow", "rejects-00000.arrow"}


def test_a_dropped_item_keeps_its_row_but_not_what_the_row_said(folder: Path):
    manifest = take(folder, {"f": "takedown.txt:1"})
    assert manifest.counts.rejects == {"contaminated": 1, "takedown": 1}
    (dropped,) = read_rows(folder.with_name("new") / "rejects-00001.arrow")
    assert dropped == reject("f", "takedown", "takedown.txt:1")
    assert manifest.hash == read_manifest(folder).hash


def test_nothing_of_a_version_is_concerned_by_the_same_takedown_again(folder: Path):
    take(folder)
    assert version_of(folder.with_name("new"), GONE).items == {}


def test_the_bytes_do_not_depend_on_the_number_of_workers(folder: Path):
    alone = take(folder)
    folder.with_name("new").rename(folder.with_name("alone"))
    assert take(folder, workers=2).shards == alone.shards


def test_a_damaged_or_missing_shard_is_named_and_not_made_good(folder: Path):
    shard = folder / "documents-00000.arrow"
    content = bytearray(shard.read_bytes())
    content[-300] ^= 1
    version = version_of(folder, GONE)
    shard.write_bytes(content)
    listed = folder.parents[1] / "takedown.txt"
    with pytest.raises(WebtextError, match=r"documents-00000\.arrow is damaged"):
        write_version(version, GONE, listed, Runtime())
    (folder / "documents-00002.arrow").unlink()
    with pytest.raises(WebtextError, match=r"documents-00002\.arrow is missing"):
        write_version(version, GONE, listed, Runtime())
    with pytest.raises(WebtextError, match="has no manifest"):
        read_manifest(folder.with_name("new"))


def test_of_a_withdrawn_folder_the_record_is_left_and_names_what_took_its_place(folder: Path):
    take(folder)
    before = read_manifest(folder)
    withdraw(folder, "new")
    assert is_withdrawn(folder)
    assert [path.name for path in folder.iterdir()] == ["withdrawn.json"]
    assert read_record(folder) == before.model_copy(update={"replaced_by": "new"})
    with pytest.raises(WebtextError, match="was withdrawn"):
        read_manifest(folder)
    assert current_version(folder) == folder.with_name("new")
    assert ids(folder.with_name("new")), "its own files went, not the bytes they shared"


def test_what_a_kill_leaves_of_a_withdrawn_folder_is_found_and_cleared(folder: Path):
    withdraw(folder, None)
    (folder / "tokenizer").mkdir()
    left = [folder / "documents-00000.arrow", folder / ".x.part", folder / "tokenizer" / "a"]
    for path in left:
        path.write_text("the text")
    assert sorted(left_behind(folder)) == sorted(left)
    clear_withdrawn(folder)
    assert [path.name for path in folder.iterdir()] == ["withdrawn.json"]
    assert current_version(folder) == folder
