"""Reads submission dumps: one JSON object per line, in whatever compression they were published.

The monthly RS_* files come as .zst (with a 2 GiB window, in one or several frames), .xz or .bz2;
.gz and plain text are read too. A file that is cut off or damaged is an error, never a short file.
"""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from io import BufferedIOBase
from pathlib import Path

import zstandard

from corpus.errors import UsageError, WebtextError

# The dumps are compressed with `zstd --long=31`; the library refuses windows over 128 MiB unless
# told. A decoder then takes up to this much memory.
ZSTD_WINDOW_BYTES = 2**31
# Small, because one block of zstd may unpack to 30,000 times its size and is unpacked whole.
_READ_BYTES = 16 * 1024
# The longest real submission is about 100 KB (a 40,000 character self text, escaped).
_MAX_LINE_BYTES = 64 * 1024 * 1024

_DAMAGED = (EOFError, OSError, lzma.LZMAError, zlib.error, zstandard.ZstdError)


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a dump that are not blank, each with its number from 1, without line ends.

    Raises:
        UsageError: there is no such file, or it may not be read.
        WebtextError: the file is cut off or damaged; says how many lines could be read.
    """
    number = 0
    try:
        for number, line in enumerate(_split_lines(_chunks(path)), start=1):
            if line.strip():
                yield number, line
    except (FileNotFoundError, IsADirectoryError, PermissionError) as exc:
        raise UsageError(
            f"dump {path} cannot be read: {exc.strerror}",
            hint="Check links.dumps in the recipe, or name the file with --set links.dumps.",
        ) from exc
    except _DAMAGED as exc:
        raise WebtextError(
            f"dump {path} is damaged or cut off after {number} whole lines: {exc}",
            hint="Get the file again and compare its size and checksum with the publisher's.",
        ) from exc


def _chunks(path: Path) -> Iterator[bytes]:
    if path.suffix == ".zst":
        return _zstd_chunks(path)
    openers: dict[str, Callable[[Path], BufferedIOBase]] = {
        ".xz": lzma.LZMAFile,
        ".bz2": bz2.BZ2File,
        ".gz": gzip.GzipFile,
    }
    return _file_chunks(openers.get(path.suffix, lambda plain: plain.open("rb")), path)


def _file_chunks(opener: Callable[[Path], BufferedIOBase], path: Path) -> Iterator[bytes]:
    with opener(path) as file:
        while chunk := file.read(1024 * 1024):
            yield chunk


def _zstd_chunks(path: Path) -> Iterator[bytes]:
    # Not `stream_reader`: it takes the end of a cut-off file for the end of the data.
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES)
    with path.open("rb") as file:
        frame = None
        while compressed := file.read(_READ_BYTES):
            while compressed:
                frame = frame or decompressor.decompressobj()
                yield frame.decompress(compressed)
                compressed = frame.unused_data
                frame = None if frame.eof else frame
        if frame is not None:
            raise EOFError("the last zstd frame has no end")


def _split_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        if len(rest) > _MAX_LINE_BYTES:
            raise EOFError(f"no line end within {_MAX_LINE_BYTES} bytes: this is no ndjson")
    if rest:
        yield rest
