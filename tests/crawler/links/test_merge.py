"""Merging: the submissions of a page become one row, in memory that does not grow."""

import tracemalloc
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import orjson
import pytest

from corpus.runtime import Runtime
from corpus.schema import PAGES
from corpus.stage import StageWriter
from crawler.links import sorted_runs as link_runs
from crawler.links.crawled import refresh_crawled
from crawler.links.stage import run
from crawler.links.submissions import LinksConfig
from tests.crawler.links.small_dumps import SUBMISSION, rows, run_on, write_dump


def test_submissions_of_one_page_become_one_row(tmp_path: Path):
    dump = write_dump(
        tmp_path / "dump",
        {"id": "b", "url": "http://A.com/x?utm_source=r", "score": 9, "subreddit": "two"},
        {"id": "a", "url": "http://a.com/x#top", "created_utc": 1_000_000_000, "subreddit": "one"},
        {"id": "c", "url": "http://a.com:80/x", "created_utc": None, "subreddit": "two"},
    )
    manifest = run_on([dump], tmp_path / "links")
    assert rows(tmp_path / "links") == [
        {
            "url": "http://a.com/x",
            "domain": "a.com",
            "score": 9,
            "first_seen": datetime.fromtimestamp(1_000_000_000, UTC),
            "subreddits": ["one", "two"],
            "submission_ids": ["a", "b", "c"],
        }
    ]
    assert manifest.counts.incoming == 3
    assert manifest.counts.rejects == {"same_url": 2}


@pytest.mark.parametrize(
    ("posted", "fetched"),
    [
        # What most submissions name, then https, then the first in the alphabet.
        (["http://a.com/x", "http://a.com/x", "https://a.com/x"], "http://a.com/x"),
        (["http://a.com/x", "https://www.a.com/x/"], "https://www.a.com/x/"),
        (["http://www.a.com/x", "http://a.com/x/"], "http://a.com/x/"),
    ],
)
def test_variants_of_an_address_are_one_page(tmp_path: Path, posted: list[str], fetched: str):
    names = count()
    dump = write_dump(tmp_path / "dump", *({"id": f"i{next(names)}", "url": u} for u in posted))
    manifest = run_on([dump], tmp_path / "links")
    assert [row["url"] for row in rows(tmp_path / "links")] == [fetched]
    assert manifest.counts.rejects == {"same_url": len(posted) - 1}


def test_a_submission_in_two_files_counts_once_with_its_higher_score(tmp_path: Path):
    early = write_dump(tmp_path / "early", {"score": 4}, {"id": "b", "score": 3})
    late = write_dump(tmp_path / "late", {"score": 7})
    manifest = run_on([early, late], tmp_path / "links", karma="url")
    assert [row["score"] for row in rows(tmp_path / "links")] == [7 + 3]
    assert manifest.counts.rejects == {"same_submission": 1, "same_url": 1}


def test_karma_may_be_summed_over_all_submissions_of_a_page(tmp_path: Path):
    dump = write_dump(
        tmp_path / "dump",
        *({"id": f"a{score}", "url": "http://a.com/", "score": score} for score in (2, 1)),
        *({"id": f"b{score}", "url": "http://b.com/", "score": score} for score in (4, -2)),
    )
    summed = run_on([dump], tmp_path / "summed", karma="url")
    assert [(row["url"], row["score"]) for row in rows(tmp_path / "summed")] == [
        ("http://a.com/", 3)
    ]
    assert summed.counts.rejects == {"low_score": 2, "same_url": 1}
    single = run_on([dump], tmp_path / "single")
    assert [(row["url"], row["score"]) for row in rows(tmp_path / "single")] == [
        ("http://b.com/", 4)
    ]
    assert single.counts.rejects == {"low_score": 3}


def test_pages_that_earlier_builds_crawled_are_left_out_if_that_is_asked_for(tmp_path: Path):
    earlier = StageWriter("pages", LinksConfig(), {}, tmp_path / "pages")
    page = {"url": "http://a.com/1", "final_url": "http://a.com/one", "status": 200}
    earlier.write("pages-00000.arrow", [page], PAGES)
    earlier.finish(1)
    refresh_crawled(tmp_path / "crawled", [tmp_path / "pages"])
    urls = ["https://www.a.com/1/", "http://a.com/1", "http://a.com/2"]
    dump = write_dump(tmp_path / "RS", *({"id": f"i{n}", "url": u} for n, u in enumerate(urls)))
    inputs = {"dump-0": dump, "crawled": tmp_path / "crawled"}
    new = run(LinksConfig(skip_crawled=True), inputs, tmp_path / "new", Runtime())
    assert [row["url"] for row in rows(tmp_path / "new")] == ["http://a.com/2"]
    assert new.counts.rejects == {"already_crawled": 2}
    again = run(LinksConfig(), inputs, tmp_path / "again", Runtime())
    assert again.counts.out == 2


def peak_bytes(folder: Path, num_submissions: int) -> int:
    dump = folder / f"RS_{num_submissions}"
    with dump.open("wb") as file:
        for n in range(num_submissions):
            file.write(
                orjson.dumps({**SUBMISSION, "id": f"{n}", "url": f"http://d.com/{n}"}) + b"\n"
            )
    tracemalloc.start()
    try:
        manifest = run_on([dump], folder / f"links-{num_submissions}")
        assert manifest.counts.out == num_submissions
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_dumps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(link_runs, "RUN_BYTES", 500_000)
    few, many = (peak_bytes(tmp_path, num) for num in (10_000, 40_000))
    # Thirty thousand more links take 6 MB on their way through; a merge opens more runs, with a
    # buffer each, and that is all.
    assert many < few + 2_000_000
