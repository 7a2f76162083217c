"""The stage "documents": the article and nothing else, page by page, whatever happens."""

import re
from pathlib import Path

import pytest

from corpus.errors import WebtextError
from corpus.manifest import Manifest
from corpus.runtime import Runtime
from corpus.shards import read_rows
from corpus.stage import data_shards
from crawler.documents.stage import ExtractConfig, document_id, run
from tests.crawler.documents.small_pages import SENTENCES, WHEN, page, write_stages


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


@pytest.mark.parametrize("roles", [("links", "pages"), ("pages",)])
def test_a_documents_licence_is_what_its_page_states(tmp_path: Path, roles: tuple[str, ...]):
    bodies = many_pages(6)
    link = b'<a rel="license" href="https://creativecommons.org/licenses/by/4.0/">'
    bodies["http://a.com/0002"] = bodies["http://a.com/0002"].replace(b"<footer>", b"<p>" + link)
    inputs = write_stages(tmp_path, bodies)
    extract_pages({role: inputs[role] for role in roles}, tmp_path / "documents", workers=2)
    rows = [row for s in data_shards(tmp_path / "documents") for row in read_rows(s)]
    licences = {row["url"]: row["license"] for row in rows}
    assert licences.pop("http://a.com/0002") == "CC BY 4.0"
    assert set(licences.values()) == {None}
