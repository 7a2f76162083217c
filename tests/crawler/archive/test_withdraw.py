"""Records are taken out of an archive: nothing of them is left, all others stay where they are."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from warcio.archiveiterator import ArchiveIterator

from corpus.errors import WebtextError
from corpus.shards import read_rows
from crawler.archive.gzip_members import gzip_member, walk_members
from crawler.archive.partition import PartitionArchive, archive_paths
from crawler.archive.records import info_record
from crawler.archive.warc import FETCHED, Outcome, Response, iterate_outcomes, read_response
from crawler.archive.withdraw import Span, blank_records, empty_record, find_records

HTML = [("Content-Type", "text/html")]
PLACE = "takedown.txt:1"


def url_of(row: int) -> str:
    return f"http://example.org/{row}"


def body_of(url: str) -> bytes:
    return f"<p>The text of {url}.</p>".encode() * 9


def exchange(archive: PartitionArchive, url: str, row: int | None, response: Response) -> None:
    archive.writer.write_exchange(url, [("Host", "example.org")], response, cut=False, row=row)


def fetched(row: int, final_url: str = "") -> Outcome:
    url = url_of(row)
    return Outcome(url=url, outcome=FETCHED, status=200, final_url=final_url or url)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Links 0 to 5; 2 leads to another address, 4 is dead."""
    archive = PartitionArchive(tmp_path, 0, 6, {"robots": "obey"})
    for row in range(6):
        exchange(archive, "http://example.org/robots.txt", None, Response(200, [], b"Allow: /"))
        if row == 2:
            moved = Response(302, [("Location", "http://other.org/a")], b"moved")
            exchange(archive, url_of(row), row, moved)
            answer = Response(200, HTML, body_of("http://other.org/a"))
            exchange(archive, "http://other.org/a", row, answer)
            archive.settle(row, fetched(row, "http://other.org/a"))
        elif row == 4:
            exchange(archive, url_of(row), row, Response(404, HTML, body_of(url_of(row))))
            archive.settle(row, Outcome(url=url_of(row), outcome="http_404", status=404))
        else:
            exchange(archive, url_of(row), row, Response(200, HTML, body_of(url_of(row))))
            archive.settle(row, fetched(row))
    archive.finish()
    return tmp_path


def without(folder: Path, *urls: str) -> tuple[Path, dict[str, str]]:
    """The archive without these addresses, and the links that went."""
    (source,) = archive_paths(folder, 0)
    target = folder / "new" / source.name
    found = find_records(source, lambda url: PLACE if url in urls else None)
    blank_records(source, target, found.spans)
    return target, found.links


def members(path: Path) -> Iterator[bytes]:
    rest = path.read_bytes()
    while rest:
        member = zlib.decompressobj(31)
        yield member.decompress(rest)
        rest = member.unused_data


def test_a_link_s_records_go_and_the_others_are_found_where_they_were(folder: Path):
    target, links = without(folder, url_of(1))
    (source,) = archive_paths(folder, 0)
    assert body_of(url_of(1)) in b"".join(members(source))
    assert url_of(1).encode() + b"\r\n" not in b"".join(members(target))
    assert body_of(url_of(1)) not in b"".join(members(target))
    assert links == {url_of(1): PLACE}
    rows = {row["url"]: row for row in read_rows(folder / "lineage-00000.arrow")}
    for row in (0, 2, 3, 5):
        assert read_response(target, rows[url_of(row)]["offset"]).body
    with pytest.raises(WebtextError, match="no response record"):
        read_response(target, rows[url_of(1)]["offset"])
    assert target.stat().st_size == source.stat().st_size


def test_every_reader_still_reads_the_archive_whole(folder: Path):
    target, _ = without(folder, url_of(1), url_of(4))
    settled = [each.url for each in iterate_outcomes(target, is_finished=True)]
    assert settled == [url_of(row) for row in (0, 2, 3, 5)]
    with target.open("rb") as file:
        kinds = [record.rec_type for record in ArchiveIterator(file)]
    assert kinds.count("response") == 3 + 2 + 6  # pages, the redirect and its page, robots.txt
    assert gzip.decompress(target.read_bytes())


def test_a_link_goes_with_the_address_that_it_led_to(folder: Path):
    target, links = without(folder, "http://other.org/a")
    assert links == {url_of(2): PLACE}
    assert b"other.org" not in b"".join(members(target))


def test_the_page_behind_a_redirect_goes_with_its_link(folder: Path):
    target, links = without(folder, url_of(2))
    assert links == {url_of(2): PLACE}
    assert body_of("http://other.org/a") not in b"".join(members(target))
    assert b"http://example.org/2" not in b"".join(members(target))


def test_a_dead_link_s_answer_goes_too(folder: Path):
    target, links = without(folder, url_of(4))
    assert links == {url_of(4): PLACE}
    assert body_of(url_of(4)) not in b"".join(members(target))


def test_an_archive_without_the_address_has_nothing_to_take_out(folder: Path):
    (source,) = archive_paths(folder, 0)
    found = find_records(source, lambda url: None)
    assert (found.spans, found.links, found.elsewhere) == ([], {}, [])
    target, _ = without(folder, url_of(1))
    again = find_records(target, lambda url: PLACE if url == url_of(1) else None)
    assert again.spans == []


def test_an_answer_that_had_to_wait_for_its_link_s_end_is_found_in_its_file(tmp_path: Path):
    archive = PartitionArchive(tmp_path, 0, 8, {}, max_file_bytes=30 << 20)
    big = bytes(range(256)) * (20 << 10)  # four of these are more than may wait
    headers = [*HTML, ("Content-Encoding", "identity")]
    final = "http://other.org/busy"
    exchange(archive, final, 0, Response(503, headers, b"busy" + big))
    for row in range(1, 8):
        exchange(archive, url_of(row), row, Response(503, headers, body_of(url_of(row)) + big))
    for row in reversed(range(8)):
        archive.settle(row, Outcome(url=url_of(row), outcome="http_503", status=503))
    archive.finish()
    first, *_, last = archive_paths(tmp_path, 0)
    assert first != last, "the test needs two files"
    place_of = {url_of(0): PLACE}.get
    found = {path: find_records(path, place_of) for path in archive_paths(tmp_path, 0)}
    (elsewhere,) = [each for result in found.values() for each in result.elsewhere]
    again = find_records(tmp_path / elsewhere[0], place_of, {elsewhere[1]})
    blank_records(tmp_path / elsewhere[0], tmp_path / "new.warc.gz", again.spans)
    assert b"busy" not in b"".join(members(tmp_path / "new.warc.gz"))
    assert len(again.spans) == 2, "the response and its request"


def test_copies_of_other_crawls_records_are_found_by_their_address(tmp_path: Path):
    def record(url: str) -> bytes:
        block = b"HTTP/1.1 200 OK\r\n\r\n" + body_of(url)
        head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: <{url}>\r\n"
        return f"{head}Content-Length: {len(block)}\r\n\r\n".encode() + block

    path = tmp_path / "archive-00000.warc.gz"
    urls = [url_of(row) for row in range(3)]
    copies = [gzip_member(record(url), b"\r\n\r\n") for url in urls]
    path.write_bytes(info_record(path.name, {}) + b"".join(copies))
    found = find_records(path, lambda url: PLACE if url == urls[1] else None)
    assert [span.end - span.start for span in found.spans] == [len(copies[1])]


def test_a_damaged_archive_is_named(folder: Path):
    (source,) = archive_paths(folder, 0)
    source.write_bytes(source.read_bytes()[:-9])
    with pytest.raises(WebtextError, match=f"{source.name} is damaged"):
        find_records(source, lambda url: None)


@given(st.integers(41, 400) | st.integers(65_500, 65_900) | st.integers(131_000, 131_400))
@settings(max_examples=60)
def test_an_empty_record_has_any_length_and_is_one_member(num_bytes: int):
    record = empty_record(Span(7, 7 + num_bytes))
    assert len(record) == num_bytes
    content = gzip.decompress(record)
    assert not content or content.startswith(b"WARC/1.0\r\n")
    assert not content or f"Content-Length: {content.count(0):010d}".encode() in content


def test_empty_records_are_walked_over(tmp_path: Path):
    path = tmp_path / "a.warc.gz"
    sizes = [100, 250, 70_000, 131_123]
    path.write_bytes(b"".join(empty_record(Span(7, 7 + size)) for size in sizes))
    assert [each.end - each.offset for each in walk_members(path)] == sizes
