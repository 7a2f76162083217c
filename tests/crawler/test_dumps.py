"""Reading dumps: every compression gives the same lines, and damage is never silent."""

import bz2
import gzip
import lzma
import random
from pathlib import Path

import pytest
import zstandard

from corpus.errors import UsageError, WebtextError
from crawler.dumps import read_lines

LINES = [
    f'{{"id":"{i}","title":"{random.Random(i).random()} grüße"}}'.encode() for i in range(5000)
]
TEXT = b"\n".join(LINES) + b"\n"


def zstd(content: bytes) -> bytes:
    # As the real dumps: a 2 GiB window, which the library's default limit refuses.
    parameters = zstandard.ZstdCompressionParameters(window_log=31, enable_ldm=False)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return compressor.compress(content) + compressor.flush()


COMPRESSIONS = {
    ".zst": zstd,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".gz": gzip.compress,
    "": bytes,
}


@pytest.mark.parametrize("suffix", COMPRESSIONS)
def test_each_compression_gives_the_same_numbered_lines(tmp_path: Path, suffix: str):
    dump = tmp_path / f"RS_2005-06{suffix}"
    dump.write_bytes(COMPRESSIONS[suffix](TEXT))
    assert list(read_lines(dump)) == list(enumerate(LINES, start=1))


@pytest.mark.parametrize("suffix", [".zst", ".xz", ".bz2", ".gz"])
def test_files_of_several_frames_are_read_to_the_end(tmp_path: Path, suffix: str):
    dump = tmp_path / f"dump{suffix}"
    half = TEXT.index(b"\n", len(TEXT) // 2) - 3  # in the middle of a line
    dump.write_bytes(COMPRESSIONS[suffix](TEXT[:half]) + COMPRESSIONS[suffix](TEXT[half:]))
    assert [line for _, line in read_lines(dump)] == LINES


@pytest.mark.parametrize("suffix", [".zst", ".xz", ".bz2", ".gz"])
def test_a_cut_off_file_is_an_error_that_says_how_much_could_be_read(tmp_path: Path, suffix: str):
    dump = tmp_path / f"dump{suffix}"
    whole = COMPRESSIONS[suffix](TEXT)
    dump.write_bytes(whole[: len(whole) * 2 // 3])
    num_read = 0
    with pytest.raises(WebtextError) as caught:
        for num_read, _ in read_lines(dump):  # noqa: B007
            pass
    assert str(dump) in caught.value.message
    assert f"after {num_read} whole lines" in caught.value.message
    assert num_read < len(LINES)


@pytest.mark.parametrize("suffix", [".zst", ".xz", ".bz2", ".gz"])
def test_a_file_that_is_not_what_its_name_says_is_an_error(tmp_path: Path, suffix: str):
    dump = tmp_path / f"dump{suffix}"
    dump.write_bytes(TEXT)
    with pytest.raises(WebtextError, match="damaged or cut off after 0 whole lines"):
        list(read_lines(dump))


def test_a_missing_file_or_a_folder_is_wrong_usage(tmp_path: Path):
    for path in (tmp_path / "none.zst", tmp_path):
        with pytest.raises(UsageError, match=str(path)):
            list(read_lines(path))


def test_blank_lines_and_a_missing_last_line_end_are_no_lines_of_their_own(tmp_path: Path):
    dump = tmp_path / "dump"
    dump.write_bytes(b'{"id":"1"}\n\n \n{"id":"2"}')
    assert list(read_lines(dump)) == [(1, b'{"id":"1"}'), (4, b'{"id":"2"}')]


def test_an_empty_file_has_no_lines(tmp_path: Path):
    dump = tmp_path / "dump.zst"
    dump.write_bytes(b"")
    assert list(read_lines(dump)) == []
