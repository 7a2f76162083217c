"""The side-by-side page: what it shows is there, bounded, marked, and never markup."""

import re
from html import unescape
from pathlib import Path

import orjson
import pytest

from corpus.manifest import read_manifest
from corpus.runtime import Runtime
from dedup.matches.stage import MatchesConfig, run
from flows.reports.render_matches import PAGE, render_matches
from tests.dedup.matches.small_corpus import write_corpus

HOSTILE = "<script>alert(1)</script>"


def words(start: int, num_words: int = 12) -> str:
    return " ".join(f"word{number}" for number in range(start, start + num_words))


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A search for thirty items with parts, all in one document, and one in many documents."""
    folder = tmp_path_factory.mktemp("searched")
    items = [
        {"passage": words(100 * i, 12 + i), "question": f"{HOSTILE} {words(100 * i + 50)}"}
        for i in range(30)
    ]
    items[0]["answer"] = words(9000)
    everything = "\n".join(text for item in items for text in item.values())
    texts = {"http://a/0": f"{HOSTILE} {everything}", "javascript:alert(2)": words(9000)}
    texts |= {f"http://b/{i}": words(8000) for i in range(11)}
    (folder / "quiz.jsonl").write_bytes(b"\n".join(map(orjson.dumps, items)))
    (folder / "common.txt").write_text(words(8000) + "\n" + words(9000))
    inputs = write_corpus(folder, texts, num_shards=2)
    searched = inputs | {"texts-0": folder / "quiz.jsonl", "texts-1": folder / "common.txt"}
    run(MatchesConfig(), searched, folder / "matches", Runtime())
    return folder / "matches", inputs["documents"]


@pytest.fixture(scope="module")
def html(searched: tuple[Path, Path]) -> str:
    return render_matches(*searched).read_text()


def test_both_sides_show_the_same_words_in_their_context(html: str):
    marks = re.findall(r'<mark class="passage">([^<]*)</mark>', html)
    # The last one is the key to the colours; the others come in pairs.
    [pairs, key] = [marks[1:], marks[:1]]
    assert key == ["passage"]
    assert pairs[0::2] == pairs[1::2]
    assert words(2900, 41) in pairs


def test_the_longest_are_shown_and_the_page_says_where_all_are(html: str):
    assert html.count('<div class="match">') == 10 + 2
    assert "10 of 62 matches" in html
    assert "matches-*.arrow" in html


def test_boilerplate_is_marked_apart(html: str):
    marks = re.findall(r'<mark class="boilerplate">([^<]*)</mark>', html)
    assert marks == ["boilerplate", words(8000), words(8000)]


def test_what_texts_say_is_never_markup(html: str):
    assert "<script" not in html
    assert HOSTILE in unescape(html)
    links = re.findall(r'href="([^"]*)"', html)
    assert all(link.startswith(("http://", "#")) for link in links)


def test_the_page_needs_nothing_from_elsewhere(html: str):
    # url(#...) is the chart's own clip path.
    assert not re.search(r"(src=|@import|<link|url\([^#])", html)
    assert "prefers-color-scheme: dark" in html


def test_the_page_is_no_part_of_what_was_found(searched: tuple[Path, Path], html: str):
    assert html
    assert PAGE not in {shard.name for shard in read_manifest(searched[0]).shards}


def test_nothing_found_is_a_page_too(tmp_path: Path):
    inputs = write_corpus(tmp_path, {})
    run(MatchesConfig(), inputs, tmp_path / "matches", Runtime())
    page = render_matches(tmp_path / "matches", inputs["documents"]).read_text()
    assert "There was no text to look for." in page
