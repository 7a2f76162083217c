"""Other crawlers' WARC files: every layout, and no record lost but the damaged one."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import assume, given, settings, strategies as st

from crawler.archive.encoding import decode_body
from crawler.archive.foreign import Damage, Record, iterate_records
from crawler.archive.records import exchange_records, info_record, outcome_record
from crawler.archive.warc import Outcome, Response, read_response
from tests.crawler.archive.foreign_warcs import LAYOUTS, exchanges, page, record, wget

MAX_BYTES = 1 << 20


def read(path: Path, max_bytes: int = MAX_BYTES) -> tuple[list[Record], list[Damage]]:
    found = list(iterate_records(path, max_bytes))
    return (
        [each for each in found if isinstance(each, Record)],
        [each for each in found if isinstance(each, Damage)],
    )


def body_of(found: Record) -> bytes:
    response = found.response()
    return decode_body(response.body, [response.header("Content-Encoding")], MAX_BYTES)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_is_read_whatever_its_layout(tmp_path, layout):
    path = write(tmp_path / "a", LAYOUTS[layout](exchanges(12)))
    records, damage = read(path)
    assert not damage
    assert [each.kind for each in records] == ["warcinfo", *["request", "response"] * 12]
    responses = [each for each in records if each.kind == "response"]
    assert [body_of(each) for each in responses] == [page(f"page{n}") for n in range(12)]
    assert responses[4].target == "http://host1.example/4"
    alone = layout == "a gzip member per record"
    assert {each.stands_alone for each in records} == {alone}
    if alone:
        for number, each in enumerate(responses):
            assert read_response(path, each.offset).body == page(f"page{number}")


def test_a_record_in_a_member_of_its_own_is_found_among_others_that_are_not(tmp_path):
    one, two, three = exchanges(1)
    content = gzip.compress(one + two) + gzip.compress(b"") + gzip.compress(three)
    records, _ = read(write(tmp_path / "a", content))
    assert [each.stands_alone for each in records] == [False, False, True]
    assert read_response(tmp_path / "a", records[2].offset).body == page("page0")


def test_records_without_line_ends_behind_them_are_read_where_members_end(tmp_path):
    bare = [part[:-4] for part in exchanges(3)]
    records, damage = read(write(tmp_path / "a", b"".join(map(gzip.compress, bare))))
    assert not damage
    assert [each.raw for each in records] == bare
    assert all(each.stands_alone for each in records)


def test_wgets_files_are_read(tmp_path):
    records, damage = read(write(tmp_path / "a", b"".join(wget("http://a.example/", page("w")))))
    assert not damage
    kinds = ["warcinfo", "request", "response", "metadata", "resource"]
    assert [each.kind for each in records] == kinds
    assert records[2].target == "http://a.example/"
    assert body_of(records[2]) == page("w")


def test_our_own_archive_is_read(tmp_path):
    answer = Response(200, [("Content-Type", "text/html")], page("ours"))
    records = exchange_records("http://a.example/", [], answer, cut=False)
    outcome = outcome_record(Outcome(url="http://a.example/", outcome="fetched"))
    path = write(tmp_path / "a", b"".join((info_record("a", {}), *records, outcome)))
    found, damage = read(path)
    assert not damage
    assert [each.kind for each in found] == ["warcinfo", "response", "request", "metadata"]
    assert all(each.stands_alone for each in found)
    assert body_of(found[1]) == read_response(path, found[1].offset).body == page("ours")


def test_what_other_tools_recompress_is_read_in_place(tmp_path):
    write(tmp_path / "a.warc", b"".join(exchanges(3)))
    command = [sys.executable, "-m", "warcio.cli", "recompress", "a.warc", "b.warc.gz"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    records, damage = read(tmp_path / "b.warc.gz")
    assert not damage
    assert all(each.stands_alone for each in records)
    assert body_of(records[2]) == page("page0")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_record_over_the_limit_is_passed_over_and_said_to_be_there(tmp_path, layout):
    big = record("http://big.example/", bytes(2_000_000))
    parts = [*exchanges(2), big, *exchanges(3)[1:]]
    records, damage = read(write(tmp_path / "a", LAYOUTS[layout](parts)))
    assert not damage
    assert [each.raw == b"" for each in records].index(True) == 5
    assert records[5].target == "http://big.example/"
    assert records[5].num_bytes > 2_000_000
    assert len(records) == 5 + 1 + 6


def test_damage_anywhere_costs_the_records_that_it_hits(tmp_path):
    members = list(map(gzip.compress, exchanges(6)))
    content, ends = b"".join(members), []
    for member in members:
        ends.append((ends or [0])[-1] + len(member))
    whole, _ = read(write(tmp_path / "whole", content))

    @given(st.integers(0, len(content) - 1), st.integers(1, 5000), st.sampled_from(["cut", "zero"]))
    @settings(max_examples=60)
    def check(start, length, how):
        end = min(start + length, len(content))
        filler = bytes(end - start) if how == "zero" else b""
        found, damage = read(write(tmp_path / "damaged", content[:start] + filler + content[end:]))
        starts = [0, *ends]
        hit = {n for n in range(len(members)) if starts[n] < end and starts[n + 1] > start}
        expected = [each.raw for n, each in enumerate(whole) if n not in hit]
        clean = start in starts and end in starts and how == "cut"
        kept = [each.raw for each in found]
        assert [raw for raw in kept if raw in expected] == expected
        assert set(kept) <= {each.raw for each in whole}
        # Not every byte of a gzip member is needed for what is in it: it may be told of or not.
        assert damage or clean or len(kept) == len(whole)
        assert not (clean and damage)

    check()


def test_a_cut_record_in_the_middle_of_an_uncompressed_file_costs_itself(tmp_path):
    parts = exchanges(6)

    @given(st.integers(0, len(parts) - 1), st.floats(0, 0.99))
    @settings(max_examples=40)
    def check(number, share):
        cut = parts[number][: int(len(parts[number]) * share)]
        content = b"".join((*parts[:number], cut, *parts[number + 1 :]))
        # By chance what comes behind the cut may be as long as what was cut: nobody can tell.
        end = sum(map(len, parts[: number + 1])) - 4
        assume(content[end : end + 4] != b"\r\n\r\n")
        found, damage = read(write(tmp_path / "a", content))
        kept = [each.raw for each in found]
        # Only the line ends behind it may be missing: then it is whole.
        others = [part[:-4] for n, part in enumerate(parts) if n != number]
        assert [each for each in kept if each in others] == others
        assert bool(damage) == bool(cut) or len(kept) == len(parts)

    check()


def test_a_file_that_ends_in_a_member_of_many_keeps_what_came_before(tmp_path):
    content = gzip.compress(b"".join(exchanges(6)))
    found, damage = read(write(tmp_path / "a", content[: len(content) // 2]))
    assert [each.kind for each in found[:3]] == ["warcinfo", "request", "response"]
    assert 4 < len(found) < 13
    assert [(each.offset, each.detail) for each in damage] == [
        (0, "the file ends within a gzip member")
    ]


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"\0" * 5000, b"\x1f\x8b\x08junk", gzip.compress(b"text", mtime=0)]
)
def test_what_is_no_warc_file_has_no_records(tmp_path, content):
    found, damage = read(write(tmp_path / "a", content))
    assert not found
    assert len(damage) == (1 if content else 0)


def test_a_response_that_is_not_http_is_an_error_of_its_own(tmp_path):
    bad = wget("http://a.example/", b"")[2].replace(b"HTTP/1.1 200 OK", b"SSH-2.0-OpenSSH")
    [found], damage = read(write(tmp_path / "a", bad))
    assert not damage
    with pytest.raises(ValueError, match=r"."):
        found.response()
