"""GPT-3's rule on real and made-up documents: what goes, what stays, and what is said of it."""

from pathlib import Path

import pytest

from corpus.errors import UsageError
from corpus.manifest import Manifest
from corpus.runtime import Runtime
from corpus.schema import DOCUMENTS
from corpus.shards import open_shard, read_rows
from corpus.stage import Inputs, data_shards
from dedup.decontamination.cuts import DecontaminationConfig
from dedup.decontamination.plan import plan
from dedup.decontamination.stage import run
from dedup.matches.stage import MatchesConfig, run as find_matches
from tests.dedup.matches.small_corpus import write_corpus

SPANS = DecontaminationConfig()
DOCUMENTS_MODE = DecontaminationConfig(mode="documents")


def words_text(start: int, num_words: int) -> str:
    return " ".join(f"word{number:05d}" for number in range(start, start + num_words))


def filler(seed: int, num_chars: int) -> str:
    text = " ".join(f"f{seed}x{number}" for number in range(num_chars // 6))
    return text[:num_chars].rstrip()


def decontaminate(
    tmp_path: Path,
    texts: dict[str, str],
    items: list[str],
    config: DecontaminationConfig = SPANS,
    num_shards: int = 1,
) -> tuple[Manifest, list[dict], Inputs]:
    inputs = matched(tmp_path, texts, items, num_shards)
    manifest = run(config, inputs, tmp_path / "out", Runtime())
    return manifest, documents_in(tmp_path / "out"), inputs


def matched(
    tmp_path: Path, texts: dict[str, str], items: list[str], num_shards: int = 1
) -> dict[str, Path]:
    inputs = write_corpus(tmp_path, texts, num_shards=num_shards)
    (tmp_path / "items.txt").write_text("\n".join(items))
    searched = inputs | {"texts-0": tmp_path / "items.txt"}
    find_matches(MatchesConfig(), searched, tmp_path / "matches", Runtime())
    return {"documents": inputs["documents"], "matches": tmp_path / "matches"}


def documents_in(folder: Path) -> list[dict]:
    return [row for shard in data_shards(folder) for row in read_rows(shard)]


def cuts(folder: Path) -> list[dict]:
    return [row for path in sorted(folder.glob("lineage-*")) for row in read_rows(path)]


def rejects(folder: Path) -> list[tuple[str, str]]:
    paths = sorted(folder.glob("rejects-*"))
    return [(row["reason"], row["detail"]) for path in paths for row in read_rows(path)]


def test_a_match_of_23_words_cuts_a_long_document_and_no_more(tmp_path):
    item = words_text(0, 23)
    left, right = filler(1, 17_000), filler(2, 17_000)
    text = f"{left} {item} {right}"
    manifest, found, inputs = decontaminate(tmp_path, {"http://a/0": text}, [item])
    start = len(left) + 1
    assert [each["text"] for each in found] == [
        text[: start - 200].strip(),
        text[start + len(item) + 200 :].strip(),
    ]
    [original] = documents_in(inputs["documents"])
    assert [each["id"] for each in found] == [f"{original['id']}-1", f"{original['id']}-2"]
    unchanged = set(DOCUMENTS.names) - {"id", "text"}
    assert all(each[name] == original[name] for each in found for name in unchanged)
    assert manifest.figures["num_removed_chars"] == len(item) + 400
    [cut] = cuts(tmp_path / "out")
    assert (cut["id"], cut["because"]) == (original["id"], ["items.txt:0 text"])
    assert (cut["start"], cut["end"]) == (start - 200, start + len(item) + 200)


def test_documents_without_a_match_keep_every_byte(tmp_path):
    texts = {f"http://a/{i}": f" {filler(i, 300)}\n🙂 " for i in range(5)}
    texts["http://b/0"] = words_text(0, 100)
    _, _, inputs = decontaminate(tmp_path, texts, [words_text(0, 20)], DOCUMENTS_MODE)
    [before], [after] = data_shards(inputs["documents"]), data_shards(tmp_path / "out")
    assert open_shard(after).read_all().equals(open_shard(before).read_all().slice(0, 5))


def test_more_than_ten_pieces_drop_the_document(tmp_path):
    items = [words_text(100 * i, 20) for i in range(10)]
    pieces = [filler(i, 800) for i in range(11)]
    ten = "\n".join(x for pair in zip(pieces, items[:9], strict=False) for x in pair) + pieces[10]
    eleven = "\n".join(x for pair in zip(pieces, items, strict=False) for x in pair) + pieces[10]
    texts = {"http://ten": ten, "http://eleven": eleven}
    manifest, found, _ = decontaminate(tmp_path, texts, items)
    assert [each["url"] for each in found] == ["http://ten"] * 10
    assert rejects(tmp_path / "out") == [
        ("contaminated", "items.txt:0 text, items.txt:1 text, items.txt:2 text and 7 more")
    ]
    assert (manifest.counts.incoming, manifest.counts.out) == (2, 1)


def test_pieces_below_200_characters_go_too(tmp_path):
    item = words_text(0, 20)
    texts = {
        "http://short": f"{filler(1, 350)} {item} {filler(2, 350)}",
        "http://one-side": f"{filler(3, 350)} {item} {filler(4, 900)}",
    }
    _, found, _ = decontaminate(tmp_path, texts, [item])
    assert [each["url"] for each in found] == ["http://one-side"]
    assert found[0]["id"].endswith("-1")
    assert len(rejects(tmp_path / "out")) == 1


def test_mode_documents_drops_each_document_with_a_match(tmp_path):
    item = words_text(0, 20)
    texts = {"http://a/0": f"{filler(1, 9000)} {item}", "http://a/1": filler(2, 9000)}
    manifest, found, _ = decontaminate(tmp_path, texts, [item], DOCUMENTS_MODE)
    assert [each["url"] for each in found] == ["http://a/1"]
    assert manifest.counts.rejects == {"contaminated": 1}


def test_what_many_documents_hold_is_no_contamination(tmp_path):
    phrase = words_text(0, 12)
    texts = {f"http://a/{i}": f"{filler(i, 500)} {phrase}" for i in range(11)}
    manifest, found, inputs = decontaminate(tmp_path, texts, [phrase], DOCUMENTS_MODE)
    assert found == documents_in(inputs["documents"])
    assert manifest.figures["num_boilerplate_matches"] == 11


def test_overlapping_matches_are_cut_once(tmp_path):
    text = f"{filler(1, 1000)} {words_text(0, 60)} {filler(2, 1000)}"
    items = [words_text(0, 40), words_text(20, 40), words_text(0, 60)]
    _, found, _ = decontaminate(tmp_path, {"http://a/0": text}, items)
    assert len(found) == 2
    [cut] = cuts(tmp_path / "out")
    assert cut["because"] == ["items.txt:0 text", "items.txt:2 text", "items.txt:1 text"]


def test_the_held_out_split_is_no_benchmark(tmp_path):
    text = words_text(0, 100)
    inputs = write_corpus(tmp_path, {"http://a": text, "http://b": text}, held_out=["http://b"])
    find_matches(MatchesConfig(), inputs, tmp_path / "matches", Runtime())
    stage_inputs = {"documents": inputs["documents"], "matches": tmp_path / "matches"}
    manifest = run(DOCUMENTS_MODE, stage_inputs, tmp_path / "out", Runtime())
    assert manifest.counts.rejects == {}
    assert manifest.figures["num_touched"] == 0


@pytest.mark.parametrize("config", [SPANS, DOCUMENTS_MODE])
def test_the_dry_run_says_what_will_be_and_writes_nothing(config, tmp_path):
    items = [words_text(100 * i, 10 + i) for i in range(20)]
    texts = {
        f"http://a/{i}": f"{filler(i, 400 * i)}\n{item}\n{filler(-i, 900)}"
        for i, item in enumerate(items)
    }
    inputs = matched(tmp_path, texts, items, num_shards=3)
    before = sorted(tmp_path.rglob("*"))
    planned = plan(config, inputs)
    assert sorted(tmp_path.rglob("*")) == before
    manifest = run(config, inputs, tmp_path / "out", Runtime(workers=2))
    found = documents_in(tmp_path / "out")
    pieces = [each for each in found if "-" in each["id"]]
    assert (planned.num_documents, planned.num_touched) == (20, 20)
    assert planned.num_dropped == manifest.counts.rejects.get("contaminated", 0)
    assert planned.num_pieces == len(pieces)
    gone = sum(map(len, texts.values())) - sum(len(each["text"]) for each in found)
    # White space where a piece was cut off is taken away as well.
    assert 0 <= gone - planned.num_removed_chars <= 2 * len(pieces)
    assert manifest.figures == planned.figures()
    assert planned.text_sets["items.txt"].num_documents == 20
    longest = planned.examples[0]
    assert (longest.example, longest.num_words, longest.text) == (19, 29, items[19][:200])
    assert len(planned.examples) == 10


def test_a_resumed_run_with_other_workers_writes_the_same_bytes(tmp_path):
    items = [words_text(100 * i, 20) for i in range(12)]
    texts = {f"http://a/{i}": f"{filler(i, 900)} {item}" for i, item in enumerate(items)}
    inputs = matched(tmp_path, texts, items, num_shards=4)
    whole = run(SPANS, inputs, tmp_path / "whole", Runtime())
    # As a kill leaves it: some shards and no manifest.
    (tmp_path / "out").mkdir()
    for name in ("rejects-00002.arrow", "lineage-00002.arrow", "documents-00002.arrow"):
        (tmp_path / "out" / name).write_bytes((tmp_path / "whole" / name).read_bytes())
    resumed = run(SPANS, inputs, tmp_path / "out", Runtime(workers=2))
    assert resumed.hash == whole.hash
    assert cuts(tmp_path / "out") == cuts(tmp_path / "whole")


def test_matches_of_other_documents_are_refused(tmp_path):
    inputs = matched(tmp_path / "a", {"http://a": "text"}, ["item"])
    other = write_corpus(tmp_path / "b", {"http://b": "other"})
    mixed = {"documents": other["documents"], "matches": inputs["matches"]}
    with pytest.raises(UsageError, match="were not found in the documents"):
        run(SPANS, mixed, tmp_path / "out", Runtime())
    assert not (tmp_path / "out").exists()


def test_no_documents_stay_no_documents(tmp_path):
    manifest, found, _ = decontaminate(tmp_path, {}, ["item"])
    assert (manifest.counts.incoming, found) == (0, [])


def test_benchmarks_that_were_not_there_are_said(tmp_path):
    manifest, _, _ = decontaminate(tmp_path, {"http://a": "text"}, ["item"])
    [problem] = manifest.problems
    assert "LAMBADA" in problem
