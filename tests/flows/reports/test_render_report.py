"""A report shows what there is, of runs and of corpora, and what it quotes is never markup."""

import re
import shlex
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from corpus.manifest import read_record
from corpus.shards import read_rows
from corpus.stage import data_shards
from flows.corpora.document_facts import document_facts
from flows.corpora.summary import corpus_hash, documents_of, lineage
from flows.recipe import load_recipe
from flows.reports.render_report import render_report
from flows.reports.repeat_commands import overrides, recipe_of
from tests.flows.reports.small_reports import HOSTILE, QUOTED, Reported


@pytest.fixture(scope="module")
def page(reported: Reported) -> str:
    return render_report(reported.run).read_text()


class Elements(HTMLParser):
    """The elements of a page, all of them closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def section(page: str, name: str) -> str:
    """What stands in a section, as text."""
    start = page.index(f'<details class="section" id="{name}"')
    end = page.find('<details class="section"', start + 1)
    text = unescape(re.sub(r"<[^>]+>", " ", page[start : end if end > 0 else None]))
    return re.sub(r"\s+", " ", text)


def test_what_pages_say_is_never_markup(page: str):
    elements = Elements(page)
    assert not elements.tags & {"script", "img", "iframe", "link", "object", "form"}
    assert HOSTILE in unescape(page)
    links = re.findall(r'href="([^"]*)"', page)
    assert all(link.startswith(("https://", "#", "../../")) for link in links)
    assert "default-src 'none'" in page


def test_each_entry_of_the_contents_leads_to_a_section(page: str):
    contents = re.findall(r'<a href="#([\w-]+)"', page)
    assert set(contents) <= set(Elements(page).ids)
    assert {"funnel", "documents", "copies", "overlap", "training", "scores"} <= set(contents)


def test_the_funnel_has_every_stage_and_every_reason(reported: Reported, page: str):
    text = section(page, "funnel")
    for stage, folder in lineage(reported.tokens).items():
        counts = read_record(folder).counts
        assert f"{counts.out:,} {stage}" in text
        kept = re.findall(rf"([\d.]+) % of {counts.incoming:,} kept", text)
        assert any(-0.1 < float(each) - 100 * counts.out / counts.incoming <= 0 for each in kept)
        for reason, count in counts.rejects.items():
            assert re.search(rf"{reason}\s{{1,2}}{count}", text)


def test_documents_are_counted_by_domain_language_karma_and_day(reported: Reported, page: str):
    documents = documents_of(reported.tokens)
    facts = document_facts(documents)
    rows = [row for shard in data_shards(documents) for row in read_rows(shard)]
    assert facts.num_documents == len(rows)
    assert facts.num_chars == sum(len(row["text"]) for row in rows)
    assert facts.num_domains == len({row["domain"] for row in rows})
    assert dict(facts.domains) == {
        name: sum(row["domain"] == name for row in rows) for name, _ in facts.domains
    }
    for histogram in (facts.lengths, facts.scores):
        assert sum(histogram.counts) == len(rows)
        assert len(histogram.edges) == len(histogram.counts) + 1
    assert sum(facts.days.values()) == len(rows)
    assert facts.languages == {"en": 40, "fr": 20}
    text = section(page, "documents")
    for name in ("site0.example", "en", "fr", "Documents by characters", "Documents by karma"):
        assert name in text


def test_the_documents_are_counted_once(reported: Reported, monkeypatch: pytest.MonkeyPatch):
    documents = documents_of(reported.tokens)
    first, twice = document_facts(documents), data_shards(documents) * 2
    monkeypatch.setattr("flows.corpora.document_facts.data_shards", lambda *_: twice)
    assert document_facts(documents) == first
    (documents / "documents.json").write_text("{torn")
    assert document_facts(documents).num_documents == 2 * first.num_documents
    (documents / "documents.json").unlink()


def test_what_was_dropped_and_the_largest_clusters_are_shown(page: str):
    rejected, copies = section(page, "rejected"), section(page, "copies")
    for reason in ("low_score", "http_404", "not_english", "exact_duplicate"):
        assert reason in rejected
    assert "7 copies of Title 0" in copies
    assert "and 2 more" in copies
    assert "dropped, 0.912: https://near.example/" in copies


def test_curves_and_scores_are_those_of_the_run(page: str):
    training = section(page, "training")
    for words in ("training", "held out", "unigram model", "learning rate", "tokens per second"):
        assert words in training
    assert "unigram_loss" in section(page, "scores")
    assert "held-out split" in section(page, "overlap")


def test_what_the_model_repeats_of_the_training_split_is_marked(page: str):
    marked = re.findall(r"<mark>(.*?)</mark>", page)
    assert [unescape(each) for each in marked] == [QUOTED]


def test_the_commands_name_settings_that_give_the_same_stages(reported: Reported, page: str):
    recipe = recipe_of(reported.tokens)
    commands = section(page, "lineage")
    for stage, folder in lineage(reported.run).items():
        record = read_record(folder)
        given = overrides(record, recipe)
        assert all(shlex.quote(each) in commands for each in given)
        loaded = load_recipe(recipe, given)
        if stage == "run":
            sections = {name: getattr(loaded, name) for name in ("model", "train")}
            assert {n: s.model_dump(mode="json") for n, s in sections.items()} == record.config
    assert f"--corpus {corpus_hash(reported.tokens)}" in commands


def test_a_corpus_alone_has_a_report(reported: Reported):
    page = render_report(reported.tokens).read_text()
    assert f"Corpus {corpus_hash(reported.tokens)}" in page
    assert 'id="overlap"' in page
    assert not any(f'id="{name}"' in page for name in ("training", "scores", "texts"))


@pytest.mark.parametrize("gone", ["scores", "overlap", "samples", "ngrams"])
def test_what_is_not_there_is_left_out(reported: Reported, gone: str, tmp_path: Path):
    (reported.data / gone).rename(tmp_path / gone)
    page = render_report(reported.run).read_text()
    (tmp_path / gone).rename(reported.data / gone)
    ids = {"scores": "scores", "overlap": "overlap", "samples": "texts"}
    assert gone not in ids or gone == "scores" or f'id="{ids[gone]}"' not in page
    assert ("Not scored yet" in page) == (gone == "scores")
    assert ("nothing was looked up" in page) == (gone == "ngrams")
    assert ("<mark>" in page) == (gone not in {"samples", "ngrams"})
    Elements(page)


def test_a_run_that_has_no_curve_has_a_report(reported: Reported, tmp_path: Path):
    (reported.run / "metrics.jsonl").rename(tmp_path / "metrics.jsonl")
    assert "has no metrics.jsonl" in render_report(reported.run).read_text()
    (tmp_path / "metrics.jsonl").rename(reported.run / "metrics.jsonl")
