"""A diff accounts for every document of both corpora, and finds the reason that was recorded."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from rich.console import Console

from corpus.errors import WebtextError
from corpus.stage import reject
from flows.corpora.compare_documents import compare_documents
from flows.corpora.diff import Difference, diff_corpora
from flows.corpora.diff_tables import describe_diff
from flows.corpora.explain_changes import urls_of
from tests.flows.small_corpora import (
    document,
    document_id,
    withdraw,
    write_corpus,
    write_documents,
    write_tokens,
)

STAY = [document(f"https://stay.example/{i}") for i in range(4)]
GONE = "https://gone.example/page"

Texts = dict[int, str]
texts = st.dictionaries(st.integers(0, 12), st.sampled_from("ab"), max_size=10)


def url(number: int) -> str:
    return f"https://host{number % 3}.example/{number}"


def documents_of(folder: Path, some: Texts, num_shards: int) -> Path:
    rows = [document(url(number), text) for number, text in some.items()]
    return write_documents(folder, rows, num_shards=num_shards)


@settings(max_examples=30)
@given(old=texts, new=texts, shards=st.tuples(st.integers(1, 3), st.integers(1, 3)))
def test_every_document_of_both_sides_is_kept_changed_added_or_dropped(
    old: Texts, new: Texts, shards: tuple[int, int]
):
    with tempfile.TemporaryDirectory() as folder:
        before = documents_of(Path(folder) / "unique" / "a", old, shards[0])
        after = documents_of(Path(folder) / "unique" / "b", new, shards[1])
        found = compare_documents(before, after)
        kept, changed = (
            set(urls_of(each, before).values()) for each in (found.kept, found.changed)
        )
        added, dropped = urls_of(found.added, after), urls_of(found.dropped, before)
    both = old.keys() & new.keys()
    assert kept == {url(n) for n in both if old[n] == new[n]}
    assert changed == {url(n) for n in both if old[n] != new[n]}
    assert set(added.values()) == {url(n) for n in new.keys() - both}
    assert set(dropped.values()) == {url(n) for n in old.keys() - both}


REJECTS = {
    "takedown": ("links", reject("RS_2017:12", "takedown", f"gone.example: {GONE}")),
    "over_18": ("links", reject("RS_2017:13", "over_18", GONE)),
    "already_crawled": ("links", reject(GONE, "already_crawled", "abc")),
    "http_404": ("pages", reject(GONE, "http_404")),
    "too_short": ("documents", reject(GONE, "too_short", "12")),
    "near_duplicate": ("unique", reject(document_id(GONE), "near_duplicate", "0123 0.9")),
}


@pytest.mark.parametrize("reason", REJECTS)
def test_the_reason_of_a_stage_is_found_for_what_was_dropped_and_for_what_was_added(
    reason: str, tmp_path: Path
):
    stage, row = REJECTS[reason]
    whole = write_corpus(tmp_path, "whole", [*STAY, document(GONE)])
    linked = [GONE] if stage != "links" else []
    without = write_corpus(tmp_path, "without", STAY, {stage: [row]}, linked)
    dropping = diff_corpora(whole, without).changes
    adding = diff_corpora(without, whole).changes
    assert dropping is not None
    assert adding is not None
    assert (dropping.num_kept, dropping.dropped, dropping.added) == (4, {reason: 1}, {})
    assert (adding.num_kept, adding.dropped, adding.added) == (4, {}, {reason: 1})
    assert dropping.examples["dropped"] == adding.examples["added"] == {reason: [GONE]}


def test_a_long_address_is_found_by_what_a_detail_keeps_of_it(tmp_path: Path):
    long = f"https://gone.example/{'x' * 300}"
    whole = write_corpus(tmp_path, "whole", [*STAY, document(long)])
    row = reject("RS:1", "takedown", f"gone.example: {long[:200]}")
    without = write_corpus(tmp_path, "without", STAY, {"links": [row]})
    changes = diff_corpora(whole, without).changes
    assert changes is not None
    assert changes.dropped == {"takedown": 1}


def test_the_last_stage_that_rejected_a_document_decides(tmp_path: Path):
    whole = write_corpus(tmp_path, "whole", [*STAY, document(GONE)])
    rejects = {
        "links": [reject(GONE, "same_url", "second submission")],
        "unique": [reject(document_id(GONE), "exact_duplicate", "0123")],
        "documents": [],
    }
    without = write_corpus(tmp_path, "without", STAY, rejects, [GONE])
    changes = diff_corpora(whole, without).changes
    assert changes is not None
    assert changes.dropped == {"exact_duplicate": 1}


def test_without_a_record_the_links_tell_whether_a_page_is_linked(tmp_path: Path):
    whole = write_corpus(tmp_path, "whole", [*STAY, document(GONE)])
    unlinked = write_corpus(tmp_path, "unlinked", STAY)
    silent = write_corpus(tmp_path, "silent", STAY, also_linked=[GONE])
    for other, dropped, added in (
        (unlinked, "not_linked", "new_link"),
        (silent, "not_recorded", "not_recorded"),
    ):
        forth, back = diff_corpora(whole, other).changes, diff_corpora(other, whole).changes
        assert forth is not None
        assert back is not None
        assert (forth.dropped, back.added) == ({dropped: 1}, {added: 1})


def test_a_page_that_is_linked_by_another_address_is_said_to_be_so(tmp_path: Path):
    moved = document("https://short.example/1", final_url=GONE)
    old = write_corpus(tmp_path, "old", [*STAY, moved])
    new = write_corpus(tmp_path, "new", [*STAY, document(GONE)])
    changes = diff_corpora(old, new).changes
    assert changes is not None
    assert changes.dropped == changes.added == {"other_address": 1}


def test_pieces_of_a_document_are_one_document_with_another_text(tmp_path: Path):
    old = write_corpus(tmp_path, "old", [*STAY, document(GONE, "one two three")])
    pieces = [
        document(GONE, text, id=f"{document_id(GONE)}-{number}")
        for number, text in enumerate(("one", "three"), start=1)
    ]
    unique = tmp_path / "unique" / "old"
    inputs = {"documents": unique}
    row = reject(STAY[3]["id"], "contaminated", "lambada:1 text")
    cut = tmp_path / "decontaminated" / "a"
    write_documents(cut, [*STAY[:3], *pieces], inputs, rejects=[row])
    new = write_tokens(tmp_path / "tokens" / "new", cut, [*STAY[:3], *pieces])
    diff = diff_corpora(old, new)
    assert diff.changes is not None
    assert (diff.changes.num_kept, diff.changes.num_changed) == (3, 1)
    assert diff.changes.dropped == {"contaminated": 1}
    assert diff.changes.examples["changed"] == {"other_text": [GONE]}
    assert Difference("stage decontaminated", False, True) in diff.settings
    assert diff.rejects == [Difference("decontaminated: contaminated", 0, 1)]


def test_of_an_extended_corpus_all_rounds_are_looked_through(tmp_path: Path):
    new = document("https://new.example/")
    rejects = {"pages": [reject(GONE, "http_404")]}
    base = write_corpus(tmp_path, "base", STAY, rejects)
    other = write_corpus(tmp_path, "other", [*STAY, document(GONE)])
    write_corpus(tmp_path, "round2", [new])
    inputs = {"documents": tmp_path / "unique" / "round2", "base": tmp_path / "unique" / "base"}
    extended = write_documents(tmp_path / "extended" / "a", [*STAY, new], inputs)
    longer = write_tokens(tmp_path / "tokens" / "longer", extended, [*STAY, new])
    diff = diff_corpora(base, longer)
    assert diff.changes is not None
    assert (diff.changes.num_kept, diff.changes.added) == (4, {"new_link": 1})
    assert diff.rejects == []
    changes = diff_corpora(other, longer).changes
    assert changes is not None
    assert changes.dropped == {"http_404": 1}


def test_examples_are_the_same_however_the_documents_are_spread(tmp_path: Path):
    many = [document(url(number)) for number in range(40)]
    found = []
    for num_shards, rows in ((1, many), (3, many[::-1])):
        data = tmp_path / str(num_shards)
        old = write_corpus(data, "old", rows, num_shards=num_shards)
        changes = diff_corpora(old, write_corpus(data, "new", STAY), num_examples=5).changes
        assert changes is not None
        assert changes.dropped == {"not_linked": 40}
        found.append(changes.examples["dropped"]["not_linked"])
    assert found[0] == found[1]
    assert len(set(found[0])) == 5


def test_settings_and_sizes_of_both_are_compared(tmp_path: Path):
    old = write_corpus(tmp_path, "old", STAY)
    new = write_corpus(tmp_path, "new", [*STAY, document(GONE)], vocab_size=70_000)
    diff = diff_corpora(old, new)
    assert diff.settings == [Difference("tokens.vocab_size", 300, 70_000)]
    assert (diff.old.num_documents, diff.new.num_documents) == (4, 5)
    assert diff.new.num_val_tokens == len(document(GONE)["text"]) + 1
    assert diff.old.bytes < diff.new.bytes


def test_of_a_withdrawn_corpus_the_counts_are_compared(tmp_path: Path):
    old = write_corpus(tmp_path, "old", [*STAY, document(GONE)])
    rejects = {"unique": [reject(document_id(GONE), "takedown")]}
    new = write_corpus(tmp_path, "new", STAY, rejects)
    withdraw(tmp_path / "unique" / "old", "new")
    withdraw(old, "new")
    diff = diff_corpora(old, new)
    assert diff.changes is None
    assert (diff.old.is_withdrawn, diff.new.is_withdrawn) == (True, False)
    assert (diff.old.num_documents, diff.new.num_documents) == (5, 4)
    assert diff.rejects == [Difference("unique: takedown", 0, 1)]
    assert "only counts" in printed(diff_corpora(old, new))


def test_a_damaged_shard_is_named(tmp_path: Path):
    old = write_corpus(tmp_path, "old", STAY)
    new = write_corpus(tmp_path, "new", [*STAY, document(GONE)])
    shard = tmp_path / "unique" / "new" / "documents-00000.arrow"
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(WebtextError, match=r"unique/new/documents-00000\.arrow is damaged"):
        diff_corpora(old, new)


def test_the_printed_diff_says_what_went_and_why(tmp_path: Path):
    old = write_corpus(tmp_path, "old", [*STAY, document(GONE)])
    new = write_corpus(
        tmp_path, "new", STAY, {"pages": [reject(GONE, "http_404")]}, vocab_size=70_000
    )
    lines = printed(diff_corpora(old, new)).splitlines()
    [at] = [i for i, line in enumerate(lines) if line.split() == ["dropped", "1", "http_404"]]
    assert lines[at + 1].strip() == GONE
    assert any(line.split() == ["documents", "5", "4", "-1"] for line in lines)
    assert any("tokens.vocab_size" in line and "300 → 70,000" in line for line in lines)
    assert max(map(len, lines)) <= 100


def printed(diff) -> str:
    console = Console(width=100, highlight=False, color_system=None)
    with console.capture() as capture:
        console.print(describe_diff(diff))
    return capture.get()
