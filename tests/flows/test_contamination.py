"""`webtext overlap` as a person uses it: how much, where, and a corpus without it."""

import json
import random
import re
from pathlib import Path

import pytest

from corpus.shards import read_rows
from corpus.stage import data_shards
from flows.corpora.catalog import finished
from flows.corpora.summary import corpus_hash, documents_of, lineage
from tests.crawler.documents.small_pages import SENTENCES, page, write_archive
from tests.flows.conftest import Webtext

NUM_PAGES = 60
VOCABULARY = " ".join(SENTENCES).replace(",", "").replace(".", "").split()
# The tokens stage needs a vocabulary that so little text can give, and some of it held out.
SETTINGS = ("--set", "tokens.vocab_size=300", "--set", "tokens.val_fraction=0.2")


def article(number: int) -> list[str]:
    rng = random.Random(number)
    return [f"{' '.join(rng.choices(VOCABULARY, k=40)).capitalize()}." for _ in range(8)]


@pytest.fixture
def corpus(webtext: Webtext, tmp_path: Path) -> Path:
    """A corpus of an archive of made-up articles; its tokens folder."""
    bodies = {f"http://a{n}.com/": page(*article(n)) for n in range(NUM_PAGES)}
    write_archive(tmp_path / "pages.warc.gz", sorted(bodies), bodies, frozenset())
    built = webtext("build", "webtext", "--set", 'archives.files=["pages.warc.gz"]', *SETTINGS)
    assert built.exit_code == 0, built.err
    [(tokens, _)] = finished(tmp_path / "data", "tokens")
    return tokens


def overlap(webtext: Webtext, corpus: Path, *arguments: str) -> str:
    done = webtext("overlap", str(corpus), "--texts", "quiz.txt", *arguments, *SETTINGS)
    assert done.exit_code == 0, done.err
    return done.out


@pytest.mark.slow
def test_a_leak_is_measured_found_and_taken_out(webtext: Webtext, corpus: Path, tmp_path: Path):
    train = {row["id"] for shard in data_shards(corpus, "train-") for row in read_rows(shard)}
    documents = [row for s in data_shards(documents_of(corpus)) for row in read_rows(s)]
    leaky = next(row for row in documents if row["id"] in train)
    leak = " ".join(leaky["text"].split()[150:180])
    (tmp_path / "quiz.txt").write_text(f"{leak.upper()}\nwords that stand nowhere else " * 2)

    printed = overlap(webtext, corpus)
    assert "quiz" in printed
    data = tmp_path / "data"
    [(report, _)] = finished(data, "overlap")
    [row] = [
        r for r in json.loads((report / "overlap.json").read_bytes())["rows"] if "quiz" in r["slug"]
    ]
    assert row["percent_examples_any"] > 0
    assert "<svg" in (report / "report.html").read_text()
    assert not finished(data, "matches")

    overlap(webtext, corpus, "--exact")
    [(matches, _)] = finished(data, "matches")
    found = [row for s in data_shards(matches, "matches-") for row in read_rows(s)]
    assert {row["document"] for row in found if "quiz" in row["text_set"]} == {leaky["id"]}
    assert (
        f'href="../../matches/{matches.name}/matches.html"' in (report / "report.html").read_text()
    )
    assert leak.split()[5] in (matches / "matches.html").read_text()

    printed = overlap(webtext, corpus, "--mode", "spans", "--yes")
    assert re.search(r"^1 of 60 documents", printed, re.MULTILINE)
    new = next(folder for folder, _ in finished(data, "tokens") if folder != corpus)
    assert corpus_hash(new) != corpus_hash(corpus)
    assert "decontaminated" in lineage(new)
    texts = {
        row["id"]: row["text"]
        for s in data_shards(documents_of(new), "documents-")
        for row in read_rows(s)
    }
    assert not any(leak in text for text in texts.values())
    untouched = {row["id"]: row["text"] for row in documents if row["id"] != leaky["id"]}
    assert {key: text for key, text in texts.items() if key in untouched} == untouched
    assert set(texts) - set(untouched) == {f"{leaky['id']}-1", f"{leaky['id']}-2"}


@pytest.mark.slow
def test_a_person_who_says_no_keeps_the_corpus(
    webtext: Webtext, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "quiz.txt").write_text("\n".join(" ".join(article(n)) for n in range(9)))
    monkeypatch.setattr("typer.confirm", lambda _: False)
    assert "Nothing was made" in overlap(webtext, corpus, "--mode", "documents")
    assert [folder for folder, _ in finished(tmp_path / "data", "tokens")] == [corpus]
    assert not finished(tmp_path / "data", "decontaminated")


@pytest.mark.slow
def test_a_notice_on_all_pages_stays_on_one(webtext: Webtext, tmp_path: Path):
    notice = "Nobody may land at the old stone wall without the keeper of the lighthouse."
    bodies = {f"http://a{n}.com/": page(*article(n), notice) for n in range(NUM_PAGES)}
    write_archive(tmp_path / "pages.warc.gz", sorted(bodies), bodies, frozenset())
    trim = ("--set", "paragraphs.max_documents=9")
    source = ("--set", 'archives.files=["pages.warc.gz"]')
    built = webtext("build", "webtext", *source, *trim, *SETTINGS)
    assert built.exit_code == 0, built.err
    assert re.search(r"^trimmed +60 +60", built.out, re.MULTILINE)
    [(tokens, _)] = finished(tmp_path / "data", "tokens")
    documents = [row for s in data_shards(documents_of(tokens)) for row in read_rows(s)]
    assert sum(notice in row["text"] for row in documents) == 1
    assert len(documents) == NUM_PAGES
