"""`corpus list` and `corpus show`: sizes, contents and history, also of what was withdrawn."""

from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from corpus.errors import UsageError
from corpus.manifest import read_manifest, write_manifest
from corpus.stage import reject
from flows.corpora.facts import NONE_STATED, contents, held_out
from flows.corpora.history import find_recorded, history
from flows.corpora.summary import ancestors, corpus_hash, lineage, show_bytes, show_short
from flows.corpora.tables import describe_corpora, describe_corpus, overlap_table, plain_table
from tests.dedup.overlap.test_summary import write_table
from tests.flows.small_corpora import (
    document,
    withdraw,
    write_corpus,
    write_documents,
    write_tokens,
)

ROWS = [document(f"https://a.example/{i}", license="CC0" if i else None) for i in range(5)]
NEW = [document("https://new.example/", language="fr")]


def printed(what: RenderableType, width: int = 100) -> list[str]:
    console = Console(width=width, highlight=False, color_system=None)
    with console.capture() as capture:
        console.print(what)
    lines = capture.get().splitlines()
    assert max(map(len, lines)) <= width
    return [" ".join(line.split()) for line in lines]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A corpus of five documents."""
    return write_corpus(
        tmp_path, "base", ROWS, {"pages": [reject("https://b.example/", "dns_error")]}
    )


@pytest.fixture
def longer(base: Path) -> Path:
    """It with one more, found in a later round."""
    data = base.parents[1]
    write_corpus(data, "round2", NEW)
    inputs = {"documents": data / "unique" / "round2", "base": data / "unique" / "base"}
    documents = write_documents(data / "extended" / "longer", [*ROWS, *NEW], inputs)
    return write_tokens(data / "tokens" / "longer", documents, [*ROWS, *NEW])


def take_down(tokens: Path, name: str, rows: list[dict]) -> Path:
    """A later version of the longer corpus, in place of it."""
    data = tokens.parents[1]
    inputs = {"documents": data / "unique" / "round2", "base": data / "unique" / "base"}
    new = write_tokens(
        data / "tokens" / name, write_documents(data / "extended" / name, rows, inputs), rows
    )
    write_manifest(new, read_manifest(new).model_copy(update={"replaces": tokens.name}))
    withdraw(tokens, name)
    return new


def test_the_list_says_what_each_corpus_comes_from(base: Path, longer: Path):
    newest = take_down(longer, "less", [*ROWS[:4], *NEW])
    data = base.parents[1]
    names = [corpus_hash(folder) for folder in (base, data / "tokens" / "round2", longer, newest)]
    lines = printed(describe_corpora(data))
    rows, notes = lines[2:6], lines[7:]
    assert [row.split()[0] for row in rows] == names, "not the oldest first"
    assert [row.split()[3] for row in rows] == ["5", "1", "6", "5"]
    assert [row.endswith("kB") for row in rows] == [True, True, False, True]
    first, _, extended, newest_name = names
    assert notes == [
        f"{extended}: withdrawn, see {newest_name}; extended from {first}",
        f"{newest_name}: without what was taken down from {extended}",
    ]


def test_the_history_goes_back_to_the_first_corpus(base: Path, longer: Path):
    newest = take_down(longer, "less", [*ROWS[:4], *NEW])
    assert list(map(str, history(newest))) == [
        f"without what was taken down from {corpus_hash(longer)}",
        f"extended from {corpus_hash(base)}",
    ]
    assert list(history(base)) == []


def test_decontamination_is_history_too(base: Path):
    data = base.parents[1]
    source = {"documents": data / "unique" / "base"}
    documents = write_documents(data / "decontaminated" / "clean", ROWS[1:], source)
    clean = write_tokens(data / "tokens" / "clean", documents, ROWS[1:])
    assert list(map(str, history(clean))) == [f"decontaminated from {corpus_hash(base)}"]


def test_a_history_whose_records_are_gone_ends_with_a_folder_s_name(base: Path, longer: Path):
    for path in base.iterdir():
        path.unlink()
    assert list(map(str, history(longer))) == ["extended from base"]


def test_an_extended_corpus_s_funnel_is_of_its_last_round(base: Path, longer: Path):
    assert {stage: folder.name for stage, folder in lineage(longer).items()} == {
        **dict.fromkeys(("links", "pages", "documents", "unique"), "round2"),
        **dict.fromkeys(("extended", "tokens"), "longer"),
    }
    assert [folder.name for folder in ancestors(longer)["unique"]] == ["round2", "base"]


def test_show_names_contents_presets_sizes_and_history(base: Path, longer: Path):
    lines = printed(describe_corpus(longer))
    assert f"history extended from {corpus_hash(base)}" in lines
    assert "languages en 5, fr 1" in lines
    assert f"licences CC0 4, {NONE_STATED} 2" in lines
    assert any(line.startswith("presets links webtext, lowest score 3") for line in lines)
    held = held_out(longer)
    assert (held.num_documents, held.percent_documents) == (1, pytest.approx(100 / 6))
    assert any(line.startswith("held out 1 documents (16.7 %)") for line in lines)
    size = sum(shard.bytes for shard in read_manifest(longer).shards)
    assert any(line.startswith(f"tokens {show_bytes(size)}") for line in lines)


def test_show_of_a_withdrawn_corpus_says_so_and_shows_its_record(base: Path):
    title = corpus_hash(base)
    withdraw(base.parents[1] / "unique" / "base")
    withdraw(base)
    lines = printed(describe_corpus(base))
    assert lines[0].startswith(f"corpus {title}")
    assert lines[0].endswith("withdrawn")
    assert "pages 6 5 dns_error 1" in lines
    assert not any(line.startswith("languages") for line in lines)


def test_languages_and_licences_are_counted_over_all_shards(tmp_path: Path):
    found = contents(write_documents(tmp_path / "unique" / "a", [*ROWS, *NEW], num_shards=4))
    assert list(found.languages.items()) == [("en", 5), ("fr", 1)]
    assert found.licences == {"CC0": 4, NONE_STATED: 2}


def test_a_number_is_never_cut_or_broken():
    table = plain_table("name", "this>", "that>")
    table.add_row("a long name of something", "1,234,567", "7,654,321")
    text = " ".join(printed(table, width=30))
    assert "1,234,567" in text
    assert "7,654,321" in text
    assert "…" not in text


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (40_200_000_000, "40.2 GB"),
        (7e15, "7,000.0 TB"),
    ],
)
def test_sizes_are_shown_in_powers_of_ten(size: float, shown: str):
    assert show_bytes(size) == shown


def test_small_counts_are_shown_as_they_are():
    assert [show_short(count) for count in (985, 9_999, 10_000, 3_242_095)] == [
        *("985", "9,999", "10.0 k", "3.2 M"),
    ]


def test_a_withdrawn_corpus_is_found_by_hash_and_by_folder(base: Path, longer: Path):
    take_down(longer, "less", [*ROWS[:4], *NEW])
    data, name = base.parents[1], corpus_hash(longer)
    assert find_recorded(data, name[:9]) == find_recorded(data, str(longer)) == longer
    for other, problem in (("zzz", "there is no corpus"), ("", "more than one")):
        with pytest.raises(UsageError, match=problem):
            find_recorded(data, other)


def test_overlap_figures_stand_whole_in_80_columns(tmp_path: Path):
    counts = (1_000_000, 123_456)
    rows = [("wmt14", 0, part, *counts) for part in ("passage", "answer")]
    write_table(tmp_path, rows)
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(overlap_table(tmp_path))
    heading, units, *lines = capture.get().splitlines()
    assert (heading.split(), units.split()[-2:]) == (["over"], ["15", "%"])
    assert [line.split("  ")[:2] for line in lines] == [
        ["WMT-14 French-English", ""],
        ["", "passage"],
        ["", "answer"],
    ]
    assert all(line.split().count("12.35") == 2 for line in lines)  # found %, mean %
