"""The quality gate: extraction is as good on 181 real pages as docs/extraction.md records."""

import gzip
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest
import trafilatura

from crawler.documents.article import ArticleConfig, UnfitPageError, read_article

RECORD = Path(__file__).parents[3] / "docs" / "extraction.md"
MAX_DROP = 0.005


class Quality(NamedTuple):
    f1: float
    precision: float
    recall: float


class GoldPage(NamedTuple):
    body: bytes
    text: str


@pytest.fixture(scope="module")
def gold_pages(real_data: Path) -> list[GoldPage]:
    truth = orjson.loads((real_data / "web/ground-truth.json").read_bytes())
    files = {page_id: real_data / f"web/html/{page_id}.html.gz" for page_id in truth}
    return [
        GoldPage(gzip.decompress(files[page_id].read_bytes()), truth[page_id]["articleBody"])
        for page_id in sorted(truth)
    ]


def quality(pages: Iterable[GoldPage], extract: Callable[[bytes], str]) -> Quality:
    """The gold set's own metric: shares of 4-gram shingles found, wrong and missed, over pages."""
    found = wrong = missed = 0.0
    for page in pages:
        got, want = shingles(extract(page.body)), shingles(page.text)
        counts = ((got & want).total(), (got - want).total(), (want - got).total())
        found += counts[0] / sum(counts)
        wrong += counts[1] / sum(counts)
        missed += counts[2] / sum(counts)
    precision, recall = found / (found + wrong), found / (found + missed)
    return Quality(2 * precision * recall / (precision + recall), precision, recall)


def shingles(text: str) -> Counter[tuple[str, ...]]:
    words = re.findall(r"\w+", text)
    return Counter(tuple(words[start : start + 4]) for start in range(max(len(words) - 3, 1)))


def ours(body: bytes) -> str:
    try:
        return read_article(body, "text/html", ArticleConfig()).text
    except UnfitPageError:
        return ""


def trafilatura_s_best(body: bytes) -> str:
    return trafilatura.extract(body, include_comments=False, favor_precision=True) or ""


def recorded(setting: str) -> Quality:
    row = re.search(rf"^\| {re.escape(setting)} \|(.*)\|$", RECORD.read_text("utf-8"), re.MULTILINE)
    assert row, f"{RECORD} has no row {setting!r}"
    return Quality(*(float(cell) for cell in row[1].split("|")[:3]))


def test_extraction_is_as_good_as_recorded_and_better_than_trafilatura_alone(gold_pages):
    assert len(gold_pages) == 181
    measured = quality(gold_pages, ours)
    assert measured.f1 >= recorded("webtext").f1 - MAX_DROP, measured
    assert measured.f1 >= quality(gold_pages, trafilatura_s_best).f1


def test_the_metric_counts_what_is_missed_and_what_is_too_much():
    pages = [GoldPage(b"one two three four five six", "one two three four five six")]
    assert quality(pages, bytes.decode) == (1, 1, 1)
    half = quality(pages, lambda _: "one two three four and a lot of other words")
    assert half.recall == pytest.approx(1 / 3)
    assert half.precision == pytest.approx(1 / 7)
