"""The stage "documents": the article and nothing else, page by page, whatever happens."""

import gzip
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from corpus.errors import WebtextError
from corpus.manifest import Manifest
from corpus.runtime import Runtime
from corpus.schema import LINEAGE, LINKS, PAGES
from corpus.settings import Section
from corpus.shards import read_rows
from corpus.stage import StageWriter, data_shards
from crawler.archive.records import exchange_records
from crawler.archive.warc import Response
from crawler.documents.stage import ExtractConfig, document_id, run

HTML = "text/html; charset=utf-8"
WHEN = datetime(2017, 1, 1, tzinfo=UTC)
SENTENCES = [
    "The harbour was quiet in the morning, and the boats lay still along the old stone wall.",
    "Nobody had told the keeper of the lighthouse that the ferry would not come that day.",
    "He waited until noon with his coat on, then he went back up the stairs and made some tea.",
    "From the window he could see the whole bay, and far out a single sail that did not move.",
]
MENU = "<nav><ul><li><a href='/'>Home</a></li><li><a href='/login'>Sign in now</a></li></ul></nav>"


def page(*paragraphs: str, title: str = "The  ferry\n") -> bytes:
    body = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    return (
        f"<html><head><title>{title}</title></head><body>{MENU}<article><h1>The ferry</h1>{body}"
        "</article><footer>All rights reserved, 2017</footer></body></html>"
    ).encode()


def write_stages(folder: Path, bodies: dict[str, bytes]) -> dict[str, Path]:
    """The stages "links" and "pages" over two partitions, with one page per URL."""
    inputs = {"links": folder / "links", "pages": folder / "pages"}
    links = StageWriter("links", Section(), {}, inputs["links"])
    pages = StageWriter("pages", Section(), {}, inputs["pages"])
    urls = sorted(bodies)
    for number, part in enumerate((urls[::2], urls[1::2])):
        name = f"-{number:05d}.arrow"
        # Links that could not be fetched have no page.
        known = sorted([*part, *(f"{url}x" for url in part)])
        links.write(f"links{name}", map(link_row, known), LINKS)
        offsets = write_archive(inputs["pages"] / f"pages-{number:05d}.warc.gz", part, bodies)
        warc = f"pages-{number:05d}.warc.gz"
        fetches = [
            {"url": url, "fetched_at": WHEN, "warc": warc, "offset": offset}
            for url, offset in zip(part, offsets, strict=True)
        ]
        pages.write(f"lineage{name}", fetches, LINEAGE)
        pages.write(f"pages{name}", map(page_row, part), PAGES)
    links.finish(2 * len(bodies))
    pages.finish(len(bodies))
    return inputs


def link_row(url: str) -> dict:
    row = {"url": url, "domain": "a.com", "score": len(url), "first_seen": WHEN}
    return {**row, "subreddits": ["s"], "submission_ids": [url]}


def page_row(url: str) -> dict:
    return {"url": url, "final_url": url, "status": 200, "content_type": HTML, "digest": ""}


def write_archive(path: Path, urls: list[str], bodies: dict[str, bytes]) -> list[int]:
    headers = [("Content-Type", HTML), ("Content-Encoding", "gzip")]
    offsets, content = [], b""
    for url in urls:
        offsets.append(len(content))
        response = Response(200, headers, gzip.compress(bodies[url]))
        content += b"".join(exchange_records(url, [], response, cut=False))
    path.write_bytes(content)
    return offsets


def many_pages(count: int) -> dict[str, bytes]:
    pages = {f"http://a.com/{n:04d}": page(f"Page {n} begins.", *SENTENCES) for n in range(count)}
    pages["http://a.com/0003"] = page("Too short.")
    return pages


def extract_pages(
    inputs: dict[str, Path], output: Path, workers: int = 1, pages_per_shard: int = 7
) -> Manifest:
    config = ExtractConfig(pages_per_shard=pages_per_shard)
    return run(config, inputs, output, Runtime(workers=workers))


def test_each_page_becomes_a_document_with_its_links_data(tmp_path: Path):
    bodies = many_pages(20)
    manifest = extract_pages(write_stages(tmp_path, bodies), tmp_path / "documents")
    documents = [row for s in data_shards(tmp_path / "documents") for row in read_rows(s)]
    assert manifest.counts.incoming == 20
    assert manifest.counts.rejects == {"too_short": 1}
    assert {row["url"] for row in documents} == set(bodies) - {"http://a.com/0003"}
    for row in documents:
        number = int(row["url"][-4:])
        assert row["id"] == document_id(row["url"])
        assert row["text"].startswith(f"The ferry\nPage {number} begins.")
        assert (row["score"], row["first_seen"], row["domain"]) == (17, WHEN, "a.com")
    fetched = [
        row for n in range(4) for row in read_rows(tmp_path / f"documents/lineage-0000{n}.arrow")
    ]
    assert [row["url"] for row in fetched] == [row["url"] for row in documents]


def test_the_bytes_depend_on_neither_workers_nor_interruption(tmp_path: Path):
    inputs = write_stages(tmp_path, many_pages(20))
    one = extract_pages(inputs, tmp_path / "one")
    (tmp_path / "one" / "manifest.json").unlink()
    for killed in ("documents-00001.arrow", "documents-00003.arrow", "rejects-00003.arrow"):
        (tmp_path / "one" / killed).unlink()
    kept = (tmp_path / "one" / "documents-00000.arrow").stat().st_mtime_ns
    resumed = extract_pages(inputs, tmp_path / "one", workers=2)
    assert resumed.hash == one.hash
    assert resumed.counts == one.counts
    assert (tmp_path / "one" / "documents-00000.arrow").stat().st_mtime_ns == kept


def test_a_damaged_archive_or_foreign_links_are_errors(tmp_path: Path):
    inputs = write_stages(tmp_path / "a", many_pages(4))
    others = write_stages(tmp_path / "b", {"http://b.com/": page(*SENTENCES)})
    with pytest.raises(WebtextError, match=r"has no row for the page http://a\.com"):
        extract_pages({**inputs, "links": others["links"]}, tmp_path / "documents")
    archive = inputs["pages"] / "pages-00000.warc.gz"
    archive.rename(tmp_path / "elsewhere")
    with pytest.raises(WebtextError, match=re.escape(str(archive))):
        extract_pages(inputs, tmp_path / "documents")
    assert list((tmp_path / "documents").glob("documents-*")) == []


def test_an_archive_that_is_cut_costs_the_pages_behind_the_cut(tmp_path: Path):
    inputs = write_stages(tmp_path, many_pages(8))
    whole = extract_pages(inputs, tmp_path / "whole")
    archive = inputs["pages"] / "pages-00000.warc.gz"
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    cut = extract_pages(inputs, tmp_path / "cut")
    assert set(cut.counts.rejects) - set(whole.counts.rejects) == {"damaged_record"}
    assert 0 < cut.counts.out < whole.counts.out
    texts = {
        row["url"]: row["text"] for s in data_shards(tmp_path / "whole") for row in read_rows(s)
    }
    for shard in data_shards(tmp_path / "cut"):
        assert all(row["text"] == texts[row["url"]] for row in read_rows(shard))


def test_pages_without_links_are_documents_of_unknown_score(tmp_path: Path):
    inputs = write_stages(tmp_path, many_pages(2))
    extract_pages({"pages": inputs["pages"]}, tmp_path / "documents")
    (row, _) = [row for s in data_shards(tmp_path / "documents") for row in read_rows(s)]
    assert (row["score"], row["first_seen"], row["subreddits"]) == (None, None, [])
    assert row["language"] == "en"
