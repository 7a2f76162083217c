"""Random documents and rejects: the same for a seed, of what was asked for, safe to look at."""

import re
from collections import Counter
from pathlib import Path

import pytest

from corpus.schema import DOCUMENTS
from corpus.settings import Section
from corpus.stage import StageWriter, reject
from flows.corpora.samples import sample_documents, sample_rejects
from flows.reports.page_template import page_template
from tests.flows.conftest import Webtext

NUM_DOCUMENTS = 3000
HOSTILE_TITLE = "\x1b[2J<script>alert(1)</script>"
HOSTILE_KEY = "javascript:alert(1)"


def document(number: int) -> dict:
    filled = dict.fromkeys(DOCUMENTS.names)
    return filled | {
        "id": f"{number:016x}",
        "url": f"http://host{number % 3}.example/{number}",
        "domain": f"host{number % 3}.example",
        "title": HOSTILE_TITLE if number == 0 else f"Title {number}",
        "language": "en",
        "text": f"Text of {number}.\n" + "and more of it\n" * 100,
    }


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of two shards with rejects in stages `pages` and `unique`."""
    data = tmp_path_factory.mktemp("data")
    pages = StageWriter("pages", Section(), {}, data / "pages" / "a")
    dropped = [reject(f"http://www.host{n % 3}.example/{n}", "http_404") for n in range(2000)]
    dropped += [reject(HOSTILE_KEY, "not_http", "\x1b[31mred"), reject("x", "http_404", "y" * 999)]
    pages.write_rejects(0, dropped[:900])
    pages.write_rejects(1, dropped[900:])
    pages.finish(len(dropped))
    unique = StageWriter(
        "unique", Section(), {"pages": data / "pages" / "a"}, data / "unique" / "a"
    )
    rows = list(map(document, range(NUM_DOCUMENTS)))
    unique.write_rejects(0, [reject("0123", "same_text", "4567")])
    unique.write("documents-00000.arrow", rows[:2500], DOCUMENTS)
    unique.write("documents-00001.arrow", rows[2500:], DOCUMENTS)
    unique.finish(NUM_DOCUMENTS + 1)
    made = StageWriter(
        "tokens", Section(), {"documents": data / "unique" / "a"}, data / "tokens" / "a"
    )
    made.write("train-00000.arrow", [], DOCUMENTS)
    made.finish(0, figures={"num_train_tokens": 0, "num_val_tokens": 0})
    return data / "tokens" / "a"


def test_a_seed_names_a_sample_and_a_larger_one_holds_it(tokens):
    sample = sample_documents(tokens, 5, seed=1)
    assert sample == sample_documents(tokens, 5, seed=1)
    assert sample_documents(tokens, 9, seed=1)[:5] == sample
    assert sample != sample_documents(tokens, 5, seed=2)
    assert len({each.url for each in sample}) == 5


def test_every_document_is_as_likely_as_any_other(tokens):
    drawn = Counter(each.url for seed in range(30) for each in sample_documents(tokens, 300, seed))
    shares = Counter(int(url.rpartition("/")[2]) * 10 // NUM_DOCUMENTS for url in drawn.elements())
    # 900 expected in each tenth; 5 standard deviations of a binomial are 145.
    assert set(shares) == set(range(10))
    assert all(abs(share - 900) < 145 for share in shares.values())
    assert len(drawn) > 0.9 * NUM_DOCUMENTS


def test_a_sample_that_is_larger_than_the_corpus_is_the_corpus(tokens):
    everything = sample_documents(tokens, 10 * NUM_DOCUMENTS)
    assert {each.url for each in everything} == {document(n)["url"] for n in range(NUM_DOCUMENTS)}


def test_a_domain_s_documents_alone_are_shown(tokens):
    sample = sample_documents(tokens, 7, domain="host1.example")
    assert [each.domain for each in sample] == ["host1.example"] * 7
    assert sample[0].language == "en"
    assert 390 < len(sample[0].excerpt) < 410


def test_rejects_are_sampled_by_reason(tokens):
    pages = tokens.parents[1] / "pages" / "a"
    groups = sample_rejects(pages, 4)
    assert [(group.reason, group.count, len(group.sample)) for group in groups] == [
        ("http_404", 2001, 4),
        ("not_http", 1, 1),
    ]
    [alone] = sample_rejects(pages, 4, reason="http_404")
    assert alone == groups[0]
    [of_host] = sample_rejects(pages, 9, reason="http_404", domain="host2.example")
    assert {each.key.split("/")[2] for each in of_host.sample} == {"www.host2.example"}


def test_corpus_show_prints_documents_of_a_domain(webtext: Webtext, tokens: Path):
    shown = webtext("corpus", "show", str(tokens), "--domain", "host2.example", "--sample", "2")
    assert shown.exit_code == 0
    assert (
        len(re.findall(r"^http://host2\.example/\d+  \(host2\.example, en\)", shown.out, re.M)) == 2
    )
    again = webtext("corpus", "show", str(tokens), "--domain", "host2.example", "--sample", "2")
    assert again.out == shown.out
    other = webtext(
        "corpus", "show", str(tokens), "--domain", "host2.example", "--sample", "2", "--seed", "5"
    )
    assert other.out != shown.out


def test_corpus_show_prints_rejects_of_every_stage(webtext: Webtext, tokens: Path):
    shown = webtext("corpus", "show", str(tokens), "--rejects", "http_404", "--sample", "3")
    assert "pages: http_404 2,001" in shown.out
    assert len(re.findall(r"^  http://www\.host", shown.out, re.M)) == 3
    assert "same_text 1" in webtext("corpus", "show", str(tokens), "--rejects", "same_text").out


def test_a_reason_or_domain_that_is_not_there_is_wrong_usage(webtext: Webtext, tokens: Path):
    shown = webtext("corpus", "show", str(tokens), "--rejects", "http_405")
    assert shown.exit_code == 2
    assert "pages: http_404, not_http; unique: same_text" in shown.err
    shown = webtext("corpus", "show", str(tokens), "--domain", "gone.example")
    assert shown.exit_code == 2
    assert "no document of gone.example" in shown.err


def test_nothing_that_is_shown_speaks_to_the_terminal(webtext: Webtext, tokens: Path):
    everything = webtext("corpus", "show", str(tokens), "--sample", str(NUM_DOCUMENTS))
    assert "<script>alert(1)</script>" in everything.out
    assert "\x1b" not in everything.out
    assert "\x1b" not in webtext("corpus", "show", str(tokens), "--rejects", "not_http").out


def test_the_report_s_links_lead_to_web_pages_only(tokens: Path):
    documents = sample_documents(tokens, NUM_DOCUMENTS)
    rejected = sample_rejects(tokens.parents[1] / "pages" / "a", 3000)
    html = page_template("report_documents").render(documents=documents)
    html += page_template("report_rejects").render(rejected=rejected)
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert HOSTILE_KEY in html
    links = re.findall(r'href="([^"]*)"', html)
    assert len(links) == NUM_DOCUMENTS + 2000
    assert all(link.startswith("http://") for link in links)
