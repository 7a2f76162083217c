"""Real crawls by real processes through the replay proxy."""

from collections import Counter
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from corpus.errors import UsageError, WebtextError
from corpus.runtime import Runtime
from corpus.shards import read_rows
from crawler.archive.warc import read_response
from crawler.pages.stage import run
from tests.crawler.small_webs import (
    FAST,
    outcomes_of,
    pages_of,
    write_links,
    write_web,
)

WEB = [
    {
        "url": "http://plain.example/robots.txt",
        "content_type": "text/plain",
        "body": "User-agent: *\nDisallow: /secret\n",
    },
    {"url": "http://plain.example/a", "body": "<p>first</p>"},
    {"url": "http://plain.example/b?q=1", "body": "<p>second</p>" * 500, "gz": True},
    {"url": "http://plain.example/secret", "body": "<p>not for you</p>"},
    {"url": "http://plain.example/old", "status": 301, "location": "https://tls.example/new"},
    {"url": "http://plain.example/loop", "status": 302, "location": "/loop"},
    {"url": "http://plain.example/out", "status": 302, "location": "http://127.0.0.1:9/x"},
    {"url": "http://plain.example/pdf", "content_type": "application/pdf", "body": "%PDF"},
    {"url": "http://plain.example/endless", "endless": True},
    {"url": "http://plain.example/bomb", "body": "0" * 300_000, "gz": True},
    {"url": "http://plain.example/broken", "status": 500, "body": "<p>sorry</p>"},
    {"url": "https://tls.example/new", "body": "<p>over TLS, grün</p>", "gz": True},
    {"url": "http://down.example/robots.txt", "status": 503, "body": "<p>busy</p>"},
    {"url": "http://down.example/a", "body": "<p>in maintenance</p>"},
    {"url": "https://tls.example/text", "content_type": "text/plain", "body": "plain text"},
]

EXPECTED = {
    "http://plain.example/a": "fetched",
    "http://plain.example/b?q=1": "fetched",
    "http://plain.example/secret": "robots_denied",
    "http://plain.example/secret/2": "robots_denied",
    "http://plain.example/secret/3": "robots_denied",
    "http://plain.example/old": "fetched",
    "http://plain.example/loop": "too_many_redirects",
    "http://plain.example/out": "private_address",
    "http://plain.example/pdf": "not_html",
    "http://plain.example/endless": "too_large",
    "http://plain.example/bomb": "too_large",
    "http://plain.example/broken": "http_500",
    "http://plain.example/missing": "http_404",
    "http://127.0.0.1/": "private_address",
    "http://down.example/a": "robots_denied",
    "http://[broken": "bad_url",
    "ftp://plain.example/file": "bad_url",
    "https://tls.example/new": "fetched",
    "https://tls.example/text": "fetched",
    "https://tls.example/" + "x" * 3000: "http_404",
}


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The web above, crawled; `links`, `web` and `pages` in one folder."""
    root = tmp_path_factory.mktemp("crawl")
    urls = list(EXPECTED)
    links = write_links(root / "links", urls[:17], urls[17:])
    inputs = {"links": links, "replay": write_web(root / "web", WEB)}
    run(FAST, inputs, root / "pages", Runtime(workers=2))
    return root


def test_every_link_gets_the_outcome_it_deserves(crawled):
    assert outcomes_of(crawled / "pages") == EXPECTED


def test_a_page_is_read_back_by_its_lineage_with_the_digest_it_was_recorded_with(crawled):
    pages = {r["url"]: r for p in pages_of(crawled / "pages") for r in read_rows(p)}
    bodies = {entry["url"]: entry["body"] for entry in WEB if "body" in entry}
    bodies["http://plain.example/old"] = bodies["https://tls.example/new"]
    for path in sorted((crawled / "pages").glob("lineage-*.arrow")):
        for row in read_rows(path):
            response = read_response(crawled / "pages" / row["warc"], row["offset"])
            assert response.body.decode() == bodies[row["url"]]
            assert response.status == pages[row["url"]]["status"] == 200
    assert pages["http://plain.example/old"]["final_url"] == "https://tls.example/new"


def test_the_archive_holds_redirects_and_robots_and_other_tools_find_its_digests_right(crawled):
    seen = Counter()
    with (crawled / "pages" / "pages-00000-00000.warc.gz").open("rb") as file:
        records = ArchiveIterator(file, check_digests="raise")  # pyright: ignore
        for record in records:
            record.content_stream().read()
            seen[record.rec_type, record.rec_headers.get_header("WARC-Target-URI")] += 1
    assert seen["response", "http://plain.example/robots.txt"] == 1
    assert seen["response", "http://plain.example/old"] == 1
    assert seen["request", "http://plain.example/a"] == 1
    assert seen["metadata", "http://plain.example/a"] == 1


def test_a_crawl_of_the_crawls_own_archive_gives_the_same_bytes(crawled, tmp_path):
    inputs = {"links": crawled / "links", "replay": crawled / "pages"}
    run(FAST, inputs, tmp_path / "again", Runtime())
    for path in pages_of(crawled / "pages"):
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_a_finished_partition_is_not_crawled_again(crawled, tmp_path):
    # Without the web there is nobody to ask: only what lies there can make the manifest.
    empty = write_web(tmp_path / "web", [])
    before = [path.read_bytes() for path in pages_of(crawled / "pages")]
    run(FAST, {"links": crawled / "links", "replay": empty}, crawled / "pages", Runtime())
    assert [path.read_bytes() for path in pages_of(crawled / "pages")] == before


def test_shards_lost_after_the_crawl_are_derived_from_the_archive(crawled):
    path = crawled / "pages" / "pages-00001.arrow"
    before = path.read_bytes()
    path.unlink()
    inputs = {"links": crawled / "links", "replay": crawled / "web"}
    run(FAST, inputs, crawled / "pages", Runtime())
    assert path.read_bytes() == before


def test_the_real_web_needs_a_contact(tmp_path):
    links = write_links(tmp_path / "links", ["http://plain.example/a"])
    with pytest.raises(UsageError, match="contact"):
        run(FAST, {"links": links}, tmp_path / "pages", Runtime())


def test_a_failing_spider_is_an_error_that_names_its_log(tmp_path):
    links = write_links(tmp_path / "links", ["http://plain.example/a"])
    web = write_web(tmp_path / "web", [])
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / ".pages-00000-00000.warc.gz.part").mkdir()  # cannot be opened as a file
    with pytest.raises(WebtextError, match="ended with status 1"):
        run(FAST, {"links": links, "replay": web}, tmp_path / "pages", Runtime())
