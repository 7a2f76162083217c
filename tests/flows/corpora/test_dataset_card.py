"""The card says what the manifests say, opens the corpus, and is no part of it."""

import re
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from corpus.errors import WebtextError
from corpus.manifest import read_manifest
from corpus.schema import DOCUMENTS
from corpus.stage import StageWriter, reject
from dedup.overlap.stage import OverlapConfig
from dedup.overlap.summary import OVERLAP
from flows.corpora.catalog import verify_lineage
from flows.corpora.dataset_card import markdown_cell, write_card
from flows.corpora.summary import corpus_hash
from tests.flows.small_corpora import (
    document,
    withdraw,
    write_corpus,
    write_documents,
    write_tokens,
)

HOSTILE = "CC0 | <script>\n# heading `x` \x1b[2J"
ROWS = [
    *(document(f"https://a.example/{i}", language="en", license="CC BY 4.0") for i in range(4)),
    document("https://b.example/", language="de", license=HOSTILE),
    document("https://c.example/", language="und"),
]
REJECTS = {
    "pages": [reject(f"https://d.example/{i}", "http_404") for i in range(3)],
    "unique": [reject("0" * 16, "near_duplicate"), reject("1" * 16, "exact_duplicate")],
}


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    return write_corpus(tmp_path, "a", ROWS, REJECTS)


def cards(tokens: Path) -> tuple[str, str]:
    """The card of the tokens and the one of the documents."""
    path = write_card(tokens)
    assert path == tokens / "README.md"
    return path.read_text(), (tokens.parents[1] / "unique" / "a" / "README.md").read_text()


def header(card: str) -> list[str]:
    return card.split("---\n")[1].splitlines()


def table_rows(card: str) -> dict[str, list[str]]:
    """The cells of each table row by the first one."""
    lines = [line.strip("|").split(" | ") for line in card.splitlines() if line.startswith("|")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}


def test_the_numbers_are_those_of_the_manifests(tokens: Path):
    card, about_documents = cards(tokens)
    rows, figures = table_rows(card), read_manifest(tokens).figures
    assert rows["documents"] == ["6", "6", ""], "the funnel's row; the figure's name is the same"
    assert rows["train tokens"] == [f"{figures['num_train_tokens']:,}"]
    assert rows["validation tokens"] == [f"{figures['num_val_tokens']:,}"]
    for stage in ("links", "pages", "documents", "unique"):
        counts = read_manifest(tokens.parents[1] / stage / "a").counts
        rejects = ", ".join(f"{reason} {count}" for reason, count in counts.rejects.items())
        assert rows[stage] == [str(counts.incoming), str(counts.out), rejects]
        assert table_rows(about_documents)[stage] == rows[stage]
    assert corpus_hash(tokens) in card
    assert "tokens" not in table_rows(about_documents)


def test_the_header_names_files_and_languages(tokens: Path):
    card, about_documents = cards(tokens)
    assert [line for line in header(card) if "path:" in line or "split:" in line] == [
        *("  - split: train", "    path: train-*.arrow"),
        *("  - split: validation", "    path: val-*.arrow"),
    ]
    assert "    path: documents-*.arrow" in header(about_documents)
    assert '- "de"' in header(card)
    assert '- "en"' in header(card)
    assert "und" not in "".join(header(card))
    assert "- n<1K" in header(card)


def test_an_empty_held_out_split_is_not_named(tmp_path: Path):
    documents = write_documents(tmp_path / "unique" / "a", ROWS)
    tokens = write_tokens(tmp_path / "tokens" / "a", documents, ROWS, num_val=0)
    card, _ = cards(tokens)
    assert "split: train" in card
    assert "split: validation" not in card


def test_licences_are_counted_and_cannot_break_the_page(tokens: Path):
    card, _ = cards(tokens)
    assert table_rows(card)["CC BY 4.0"] == ["4"]
    assert table_rows(card)["none stated"] == ["1"]
    assert "<script>" not in card
    assert "\x1b" not in card
    [line] = [line for line in card.splitlines() if "CC0" in line]
    assert line.startswith("| CC0 \\| &lt;script&gt; # heading \\`x\\`")
    assert line.endswith("| 1 |")


@given(st.text(max_size=80))
def test_any_value_stays_in_its_cell(text: str):
    cell = markdown_cell(text)
    assert len(cell.splitlines()) <= 1
    assert not re.search(r"(?<!\\)(\\\\)*[|`<]", cell)


def test_documents_of_an_older_version_have_no_column_of_licences(tmp_path: Path):
    older = DOCUMENTS.remove(DOCUMENTS.get_field_index("license"))
    rows = [{name: row[name] for name in older.names} for row in ROWS]
    documents = write_documents(tmp_path / "unique" / "a", rows, schema=older)
    card, _ = cards(write_tokens(tmp_path / "tokens" / "a", documents, rows))
    assert "was not looked for" in card
    assert "none stated" not in card


def test_the_card_is_no_part_of_the_corpus(tokens: Path):
    before = corpus_hash(tokens), verify_lineage(tokens)
    assert cards(tokens) == cards(tokens)
    assert (corpus_hash(tokens), verify_lineage(tokens)) == before
    card, about_documents = cards(tokens)
    for row in ROWS:
        for value in (row["text"], row["title"], row["url"]):
            assert value not in card + about_documents


def test_a_measured_overlap_is_in_the_next_card(tokens: Path):
    assert "Against benchmarks nothing was measured yet" in cards(tokens)[0]
    folder = tokens.parents[1] / "overlap" / "a"
    writer = StageWriter("overlap", OverlapConfig(), {"tokens": tokens}, folder)
    counts = {"part": "text", "num_words": 30, "num_ngrams": 8, "num_found": 2}
    writer.write_rejects(0, [])
    rows = [{"text_set": "lambada", "example": 0, **counts}]
    writer.write("overlap-00000.arrow", rows, OVERLAP)
    writer.finish(1, figures={"n": 8})
    card, _ = cards(tokens)
    assert table_rows(card)["LAMBADA"][:3] == ["1", "8", "25.00"]
    assert "nothing was measured" not in card


def test_a_crawl_s_contact_is_whom_to_write_to(tokens: Path, tmp_path: Path):
    assert "write to crawl@archive.example" in cards(tokens)[0]
    documents = write_documents(tmp_path / "unique" / "alone", ROWS)
    alone = write_tokens(tmp_path / "tokens" / "alone", documents, ROWS)
    assert "`crawl.contact`" in write_card(alone).read_text()


def test_a_withdrawn_corpus_gets_no_card(tokens: Path):
    withdraw(tokens)
    with pytest.raises(WebtextError, match="withdrawn"):
        write_card(tokens)
    assert not (tokens / "README.md").exists()
