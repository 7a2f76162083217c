import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from warcio.archiveiterator import ArchiveIterator
from warcio.recordloader import ArcWarcRecord

from corpus.errors import WebtextError
from crawler.archive.gzip_members import gzip_member, walk_members
from crawler.archive.records import exchange_records, info_record, outcome_record
from crawler.archive.warc import (
    Headers,
    Outcome,
    Response,
    ResponseReader,
    iterate_outcomes,
    read_response,
    salvage,
)

URL = "http://example.org/"
HTML = b"<p>a page</p>" * 50
CHUNKED = [("Content-Type", "text/html"), ("Transfer-Encoding", "chunked")]


def write_archive(path: Path, num_links: int = 5) -> list[Outcome]:
    outcomes, content = [], info_record(path.name, {"robots": "obey"})
    for row in range(num_links):
        url, offset = f"{URL}{row}", len(content)
        content += b"".join(
            exchange_records(url, [("Host", "h")], Response(200, CHUNKED, HTML), cut=False)
        )
        outcomes.append(Outcome(url=url, outcome="fetched", status=200, row=row, offset=offset))
        content += outcome_record(outcomes[-1])
    path.write_bytes(content)
    return outcomes


def records_of(path: Path) -> list[tuple[ArcWarcRecord, bytes]]:
    """All records as warcio reads them, with their contents."""
    with path.open("rb") as file:
        records = ArchiveIterator(file, check_digests="raise")  # pyright: ignore
        return [(record, record.content_stream().read()) for record in records]


def write_exchange(
    path: Path, response: Response, request: Headers | None = None, **options
) -> None:
    options = {"cut": False, **options}
    path.write_bytes(b"".join(exchange_records(URL, request or [], response, **options)))


def test_what_was_written_is_read_back(tmp_path):
    outcomes = write_archive(tmp_path / "a.warc.gz")
    assert list(iterate_outcomes(tmp_path / "a.warc.gz")) == outcomes
    with ResponseReader(tmp_path / "a.warc.gz") as reader:
        for outcome in [*outcomes, outcomes[0]]:
            response = reader.read(outcome.offset)
            assert (response.status, response.body) == (200, HTML)
            assert response.header("content-length") == str(len(HTML))
            assert not response.header("Transfer-Encoding")


@pytest.mark.parametrize("num_bytes", [0, 10, 65_535, 65_536, 200_000])
def test_a_body_is_archived_as_it_came_and_read_decoded(tmp_path, num_bytes):
    path = tmp_path / "a.warc.gz"
    body = bytes(range(256)) * (num_bytes // 256 + 1)
    sent = gzip.compress(body[:num_bytes], compresslevel=0)
    write_exchange(path, Response(200, [("Content-Encoding", "gzip")], sent))
    with ResponseReader(path) as reader:
        assert reader.read_raw(0).body == sent
        assert reader.read(0).body == body[:num_bytes]
    assert records_of(path)[0][0].http_headers.get_header("Content-Length") == str(len(sent))


def test_other_tools_find_the_archive_valid(tmp_path):
    path = tmp_path / "a.warc.gz"
    write_archive(path)
    for command in (["gzip", "-t"], [sys.executable, "-m", "warcio.cli", "check", "-v"]):
        result = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True)
        assert "fail" not in result.stdout + result.stderr
    records = [record for record, _ in records_of(path)]
    kinds = [record.rec_type for record in records]
    assert kinds == ["warcinfo", *["response", "request", "metadata"] * 5]
    for answered, asked in zip(records[1::3], records[2::3], strict=True):
        response_id = answered.rec_headers.get_header("WARC-Record-ID")
        assert asked.rec_headers.get_header("WARC-Concurrent-To") == response_id
    ids = {record.rec_headers.get_header("WARC-Record-ID") for record in records}
    assert len(ids) == len(records)


def test_a_file_says_who_made_it_and_how(tmp_path):
    path = tmp_path / "a.warc.gz"
    path.write_bytes(info_record("a.warc.gz", {"robots": "obey", "operator": "a\r\nb"}))
    [(record, block)] = records_of(path)
    assert record.rec_headers.get_header("WARC-Filename") == "a.warc.gz"
    assert block.startswith(b"software: webtext/")
    assert block.endswith(b"robots: obey\r\noperator: a b\r\n")


def test_a_record_says_what_was_cut_and_which_server_answered(tmp_path):
    write_exchange(tmp_path / "a", Response(200, [], b""), cut=True, ip="192.0.2.1")
    write_exchange(tmp_path / "b", Response(200, [], b""))
    said = [
        [record.rec_headers.get_header(name) for name in ("WARC-Truncated", "WARC-IP-Address")]
        for path in (tmp_path / "a", tmp_path / "b")
        for record, _ in records_of(path)
    ]
    assert said == [["unspecified", "192.0.2.1"], [None, "192.0.2.1"], [None] * 2, [None] * 2]


def test_the_status_line_and_the_bytes_of_headers_are_those_that_came(tmp_path):
    odd = [("X-Name", "caf\xc3\xa9"), ("X-Split", "a\r\n\r\n<p>injected")]
    for status, line in ((404, "404 Not Found"), (799, "799 ")):
        write_exchange(tmp_path / "a", Response(status, odd, b"body"), odd)
        stored = gzip.decompress((tmp_path / "a").read_bytes())
        assert f"\r\n\r\nHTTP/1.1 {line}\r\n".encode() in stored
        assert stored.count("X-Name: café\r\nX-Split: a <p>injected\r\n".encode()) == 2
        assert read_response(tmp_path / "a", 0).body == b"body"


def test_an_address_that_breaks_the_rules_breaks_no_record(tmp_path):
    path = tmp_path / "a.warc.gz"
    outcome = Outcome(url="http://a b/\r\nWARC-Type: x\t", outcome="bad_url", detail="\x00é")
    path.write_bytes(outcome_record(outcome))
    assert list(iterate_outcomes(path)) == [outcome]
    [(record, _)] = records_of(path)
    uri = record.rec_headers.get_header("WARC-Target-URI")
    assert uri == "http://a%20b/%0D%0AWARC-Type:%20x%09"


@given(head=st.binary(max_size=9000), body=st.binary(max_size=9000), store=st.booleans())
@settings(max_examples=40)
def test_a_member_is_what_gzip_reads(head, body, store):
    member = gzip_member(head, body, store=store)
    assert gzip.decompress(member) == head + body
    assert gzip_member(head, body, store=store, mark=True) != member


def test_members_are_walked_up_to_the_first_that_says_no_length(tmp_path):
    ours = [gzip_member(b"a" * 10), gzip_member(b"b", mark=True), gzip_member(b"")]
    (tmp_path / "a").write_bytes(b"".join(ours) + gzip.compress(b"foreign" * 9) + ours[0])
    walked = list(walk_members(tmp_path / "a"))
    assert [member.end - member.offset for member in walked] == list(map(len, ours))
    assert [member.is_marked for member in walked] == [False, True, False]


def test_an_archive_cut_at_any_byte_keeps_every_link_settled_before_it(tmp_path):
    whole = tmp_path / "whole.warc.gz"
    outcomes = write_archive(whole)
    content = whole.read_bytes()

    @given(st.integers(0, len(content)), st.binary(max_size=20) | st.just(bytes(5000)))
    @settings(max_examples=60)
    def check(num_bytes, junk):
        cut = tmp_path / "cut.warc.gz"
        cut.write_bytes(content[:num_bytes] + junk)  # a disk may also lose what it held back
        kept = list(salvage(cut))
        assert kept == outcomes[: len(kept)]
        assert content.startswith(cut.read_bytes())
        assert list(iterate_outcomes(cut)) == kept
        if len(kept) < len(outcomes):
            assert num_bytes < outcomes[len(kept)].offset + 3000
        with cut.open("ab") as file:  # and the crawl goes on where it was cut
            file.write(outcome_record(Outcome(url=f"{URL}new", outcome="timeout")))
        assert len(list(iterate_outcomes(cut))) == len(kept) + 1

    check()


def test_an_outcome_that_a_power_cut_turned_to_zeros_ends_what_is_kept(tmp_path):
    outcomes = write_archive(tmp_path / "a")
    content = bytearray((tmp_path / "a").read_bytes())
    content[outcomes[3].offset - 200 : outcomes[3].offset] = bytes(200)  # of outcome 2
    (tmp_path / "a").write_bytes(content)
    assert list(salvage(tmp_path / "a")) == outcomes[:2]
    assert list(iterate_outcomes(tmp_path / "a", is_finished=True)) == outcomes[:2]


def test_a_finished_file_that_is_cut_is_an_error_that_names_the_byte(tmp_path):
    outcomes = write_archive(tmp_path / "a")
    content = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(content[:-1])
    with pytest.raises(WebtextError, match=r"a is damaged at byte \d+"):
        list(iterate_outcomes(tmp_path / "a", is_finished=True))
    assert list(iterate_outcomes(tmp_path / "a")) == outcomes[:-1]


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b[:-50] + bytes([b[-50] ^ 1]) + b[-49:]]
)
def test_a_damaged_response_is_an_error_and_no_other_page(tmp_path, encoding, damage):
    body = gzip.compress(bytes(range(256)) * 99) if encoding == "gzip" else HTML
    response = Response(200, [("Content-Encoding", encoding)], body)
    answered, _ = exchange_records(URL, [], response, cut=False)
    (tmp_path / "a").write_bytes(damage(answered))
    with pytest.raises(WebtextError, match="a is damaged at byte 0"):
        read_response(tmp_path / "a", 0)


@pytest.mark.parametrize("offset", [7, 10**9])
def test_no_response_at_an_offset_is_an_error_that_names_the_archive(tmp_path, offset):
    write_archive(tmp_path / "a.warc.gz")
    # What the bytes there look like to a reader depends on the record's date and id.
    problem = rf"a\.warc\.gz (is damaged|has no response record) at byte {offset}"
    with pytest.raises(WebtextError, match=problem):
        read_response(tmp_path / "a.warc.gz", offset)


def test_a_record_that_is_no_response_is_an_error(tmp_path):
    (tmp_path / "a.warc.gz").write_bytes(outcome_record(Outcome(url=URL, outcome="timeout")))
    with pytest.raises(WebtextError, match="no response record at byte 0"):
        read_response(tmp_path / "a.warc.gz", 0)
