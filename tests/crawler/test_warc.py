import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from warcio.archiveiterator import ArchiveIterator

from corpus.errors import WebtextError
from crawler.warc import (
    ArchiveWriter,
    Outcome,
    Response,
    ResponseReader,
    iterate_outcomes,
    read_response,
    salvage,
)

HTML = b"<p>a page</p>" * 50


def write_archive(path: Path, num_links: int = 5) -> list[Outcome]:
    writer = ArchiveWriter(path)
    outcomes = []
    for number in range(num_links):
        url = f"http://example.org/{number}"
        headers = [("Content-Type", "text/html"), ("Transfer-Encoding", "chunked")]
        offset = writer.write_exchange(
            url, [("User-Agent", "test")], Response(200, headers, HTML), cut=False
        )
        outcomes.append(Outcome(url=url, outcome="fetched", status=200, offset=offset))
        writer.write_outcome(outcomes[-1])
    writer.close()
    return outcomes


def test_what_was_written_is_read_back(tmp_path):
    outcomes = write_archive(tmp_path / "a.warc.gz")
    assert list(iterate_outcomes(tmp_path / "a.warc.gz")) == outcomes
    with ResponseReader(tmp_path / "a.warc.gz") as reader:
        for outcome in [*outcomes, outcomes[0]]:
            response = reader.read(outcome.offset)
            assert (response.status, response.body) == (200, HTML)
            assert response.header("content-length") == str(len(HTML))
            assert not response.header("Transfer-Encoding")


def test_a_body_is_archived_as_it_came_and_read_decoded(tmp_path):
    writer = ArchiveWriter(tmp_path / "a.warc.gz")
    sent = Response(200, [("Content-Encoding", "gzip")], gzip.compress(HTML))
    offset = writer.write_exchange("http://example.org/", [], sent, cut=False)
    writer.close()
    with ResponseReader(tmp_path / "a.warc.gz") as reader:
        assert reader.read_raw(offset).body == sent.body
        assert reader.read(offset).body == HTML


def test_another_tool_reads_the_archive_and_its_digests_are_right(tmp_path):
    write_archive(tmp_path / "a.warc.gz")
    with (tmp_path / "a.warc.gz").open("rb") as file:
        kinds = []
        for record in ArchiveIterator(file, check_digests="raise"):  # pyright: ignore
            record.content_stream().read()
            kinds.append(record.rec_type)
    assert kinds == ["response", "request", "metadata"] * 5


def test_an_archive_cut_at_any_byte_keeps_every_link_settled_before_it(tmp_path):
    whole = tmp_path / "whole.warc.gz"
    outcomes = write_archive(whole)
    content = whole.read_bytes()

    @given(st.integers(0, len(content)), st.binary(max_size=20))
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def check(num_bytes, junk):
        cut = tmp_path / "cut.warc.gz"
        cut.write_bytes(content[:num_bytes] + junk)  # a disk may also lose what it held back
        kept = list(salvage(cut))
        assert kept == outcomes[: len(kept)]
        assert content.startswith(cut.read_bytes())
        assert list(iterate_outcomes(cut)) == kept
        if len(kept) < len(outcomes):
            assert num_bytes < outcomes[len(kept)].offset + 3000
        writer = ArchiveWriter(cut)  # and the crawl goes on where it was cut
        writer.write_outcome(Outcome(url="http://example.org/new", outcome="timeout"))
        writer.close()
        assert len(list(iterate_outcomes(cut))) == len(kept) + 1

    check()


@pytest.mark.parametrize("offset", [7, 10**9])
def test_no_response_at_an_offset_is_an_error_that_names_the_archive(tmp_path, offset):
    write_archive(tmp_path / "a.warc.gz")
    # What the bytes there look like to a reader depends on the record's date and id.
    problem = rf"a\.warc\.gz (is damaged|has no response record) at byte {offset}"
    with pytest.raises(WebtextError, match=problem):
        read_response(tmp_path / "a.warc.gz", offset)


def test_a_record_that_is_no_response_is_an_error(tmp_path):
    writer = ArchiveWriter(tmp_path / "a.warc.gz")
    writer.write_outcome(Outcome(url="http://example.org/", outcome="timeout"))
    writer.close()
    with pytest.raises(WebtextError, match="no response record at byte 0"):
        read_response(tmp_path / "a.warc.gz", 0)
