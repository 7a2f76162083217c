"""Reading dumps: every compression gives the same lines, and damage is never silent."""

import bz2
import gzip
import lzma
import random
from pathlib import Path

import pytest
import zstandard

from corpus.errors import UsageError
from crawler.links.dumps import DamagedError, read_dump, read_lines
from crawler.links.posts import Corrupt, Submission

LINES = [
    f'{{"id":"{i}","title":"{random.Random(i).random()} grüße"}}'.encode() for i in range(5000)
]
TEXT = b"\n".join(LINES) + b"\n"


def lines_of(dump: Path) -> list[tuple[int, bytes]]:
    return [(number, line.rstrip(b"\n")) for number, line in read_lines(dump)]


def zstd(content: bytes) -> bytes:
    # As the real dumps: a 2 GiB window, which the library's default limit refuses.
    parameters = zstandard.ZstdCompressionParameters(window_log=31, enable_ldm=False)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return compressor.compress(content) + compressor.flush()


COMPRESSIONS = {
    ".zst": zstd,
    ".xz": lzma.compress,
    ".bz2": lambda content: bz2.compress(content, 1),  # blocks of 100 KB, not of 900
    ".gz": gzip.compress,
    "": bytes,
}


@pytest.mark.parametrize("suffix", COMPRESSIONS)
def test_each_compression_gives_the_same_numbered_lines(tmp_path: Path, suffix: str):
    dump = tmp_path / f"RS_2005-06{suffix}"
    dump.write_bytes(COMPRESSIONS[suffix](TEXT))
    assert lines_of(dump) == list(enumerate(LINES, start=1))


@pytest.mark.parametrize("suffix", [".zst", ".xz", ".bz2", ".gz"])
def test_files_of_several_frames_are_read_to_the_end(tmp_path: Path, suffix: str):
    dump = tmp_path / f"dump{suffix}"
    half = TEXT.index(b"\n", len(TEXT) // 2) - 3  # in the middle of a line
    dump.write_bytes(COMPRESSIONS[suffix](TEXT[:half]) + COMPRESSIONS[suffix](TEXT[half:]))
    assert [line for _, line in lines_of(dump)] == LINES


@pytest.mark.parametrize("suffix", [".zst", ".xz", ".bz2", ".gz"])
def test_of_a_cut_off_file_all_whole_lines_are_read_before_the_error(tmp_path: Path, suffix: str):
    dump = tmp_path / f"dump{suffix}"
    whole = COMPRESSIONS[suffix](TEXT)
    dump.write_bytes(whole[: len(whole) * 2 // 3])
    found: list[bytes] = []
    with pytest.raises(DamagedError) as caught:
        found.extend(line.rstrip(b"\n") for _, line in read_lines(dump))
    *before, last = found
    num_whole = len(found) if last == LINES[len(before)] else len(before)
    assert before == LINES[: len(before)]
    assert LINES[len(before)].startswith(last)
    assert 0 < num_whole < len(LINES)
    # A cut after a whole line looks the same, whether its end is there or not.
    counts = {f"after {num:,} whole lines" for num in (num_whole, num_whole - 1)}
    assert str(dump) in str(caught.value)
    assert any(count in str(caught.value) for count in counts)


def test_a_cut_last_line_is_corrupt_and_a_whole_one_without_an_end_is_not(tmp_path: Path):
    dump = tmp_path / "dump"
    dump.write_bytes(b'{"id":"1"}\n{"id":"2"}')
    assert [type(post) for _, post in read_dump(dump)] == [Submission, Submission]
    dump.write_bytes(b'{"id":"1"}\n{"id":"2')
    assert [type(post) for _, post in read_dump(dump)] == [Submission, Corrupt]


def test_a_bit_that_fell_over_costs_what_is_behind_it(tmp_path: Path):
    dump = tmp_path / "dump.xz"
    content = bytearray(lzma.compress(TEXT))
    content[len(content) // 2] ^= 0xFF
    dump.write_bytes(content)
    found: list[bytes] = []
    with pytest.raises(DamagedError):
        found.extend(line for _, line in read_lines(dump))
    assert 0 < len(found) < len(LINES)


def test_reading_tells_how_much_of_the_file_was_read(tmp_path: Path):
    for suffix, compress in COMPRESSIONS.items():
        dump = tmp_path / f"dump{suffix}"
        dump.write_bytes(compress(TEXT))
        told: list[int] = []
        assert sum(1 for _ in read_dump(dump, told.append)) == len(LINES)
        assert told == sorted(told)
        assert told[-1] == dump.stat().st_size


def test_blocks_of_arctic_shift_are_wrong_usage_that_says_what_to_get(tmp_path: Path):
    with pytest.raises(UsageError, match="block format") as caught:
        list(read_dump(tmp_path / "RS_2024-01.zst_blocks"))
    assert ".zst" in caught.value.hint


@pytest.mark.parametrize("suffix", [".zst", ".xz", ".bz2", ".gz"])
def test_a_file_that_is_not_what_its_name_says_is_an_error(tmp_path: Path, suffix: str):
    dump = tmp_path / f"dump{suffix}"
    dump.write_bytes(TEXT)
    with pytest.raises(DamagedError, match="damaged or cut off after 0 whole lines"):
        list(read_lines(dump))


def test_a_missing_file_or_a_folder_is_wrong_usage(tmp_path: Path):
    for path in (tmp_path / "none.zst", tmp_path):
        with pytest.raises(UsageError, match=str(path)):
            list(read_lines(path))


def test_blank_lines_and_a_missing_last_line_end_are_no_lines_of_their_own(tmp_path: Path):
    dump = tmp_path / "dump"
    dump.write_bytes(b'{"id":"1"}\n\n \n{"id":"2"}')
    assert lines_of(dump) == [(1, b'{"id":"1"}'), (4, b'{"id":"2"}')]
    assert [number for number, _ in read_dump(dump)] == [1, 4]


def test_an_empty_file_has_no_lines(tmp_path: Path):
    dump = tmp_path / "dump.zst"
    dump.write_bytes(b"")
    assert list(read_lines(dump)) == []
