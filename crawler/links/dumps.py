"""Reads submission dumps: one JSON object per line, in whatever compression they were published.

The monthly RS_* files come as .zst (with a 2 GiB window, in one or several frames), .xz or .bz2;
.gz and plain text are read too. Of a file that is cut off or damaged all whole lines are read, and
then an error says so: never a short file that looks like a whole one.
"""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from io import BufferedReader, BytesIO
from pathlib import Path

import zstandard

from corpus.errors import UsageError, WebtextError
from crawler.links.posts import UNPLAIN, Corrupt, Submission, parse_odd, parse_plain

OnRead = Callable[[int], object]
"""Is told how many bytes of the file (as it lies on disk) were read so far."""

# The dumps are compressed with `zstd --long=31`; the library refuses windows over 128 MiB unless
# told. A decoder then takes up to this much memory.
ZSTD_WINDOW_BYTES = 2**31
# Small, because one block of zstd may unpack to 30,000 times its size and is unpacked whole.
_READ_BYTES = 16 * 1024
_CHUNK_BYTES = 1024 * 1024
# The longest real submission is about 100 KB (a 40,000 character self text, escaped).
_MAX_LINE_BYTES = 64 * 1024 * 1024

_OPENERS: dict[str, Callable[[BufferedReader], lzma.LZMAFile | bz2.BZ2File | gzip.GzipFile]] = {
    ".xz": lzma.LZMAFile,
    ".bz2": bz2.BZ2File,
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
}
COMPRESSIONS = (".zst", *_OPENERS)
_DAMAGED = (EOFError, OSError, lzma.LZMAError, zlib.error, zstandard.ZstdError)


class DamagedError(Exception):
    """A file is cut off or damaged; raised after all that could be read of it."""


def unwatched(num_bytes: int) -> None:
    """Nobody asks how far it is."""


def read_dump(
    path: Path, on_read: OnRead = unwatched
) -> Iterator[tuple[int, Submission | Corrupt]]:
    """The submissions of a dump, each with the number of its line from 1.

    Raises:
        UsageError: there is no such file, or it is of a kind that cannot be read.
        DamagedError: the file is cut off or damaged; raised after its last line.
    """
    if path.suffix == ".zst_blocks":
        raise UsageError(
            f"{path} is in Arctic Shift's block format, which is not read",
            hint="Get the .zst file of the same month, or unpack it with Arctic Shift's scripts.",
        )
    blocks, number = _Blocks(path, on_read), 0
    # Every submission ever made comes through this loop: it calls as little as it can.
    for block in blocks:
        for line in BytesIO(block):
            number += 1
            try:
                post = parse_plain(line)
            except UNPLAIN:
                if line.isspace():
                    continue
                post = parse_odd(line)
            yield number, post
    for number_behind, line in blocks.remains(number):
        yield number_behind, parse_odd(line)


def read_lines(path: Path, on_read: OnRead = unwatched) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that are not blank, each with its number from 1, perhaps with its end.

    Raises:
        UsageError: there is no such file, or it may not be read.
        WebtextError: the system cannot read it to the end.
        DamagedError: the file is cut off or damaged; raised after the last line, which may then be
            cut off too.
    """
    blocks, number = _Blocks(path, on_read), 0
    for block in blocks:
        # Not `split`: it looks at byte after byte, and makes all lines before the first is used.
        for line in BytesIO(block):
            number += 1
            if not line.isspace():
                yield number, line
    yield from blocks.remains(number)


class _Blocks:
    """The lines of a file, many in one block; what is behind the last line end, and any damage."""

    def __init__(self, path: Path, on_read: OnRead) -> None:
        self._path = path
        self._on_read = on_read
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._damage: Exception | None = None

    def __iter__(self) -> Iterator[bytes]:
        """Blocks of whole lines."""
        try:
            for chunk in _chunks(self._path, self._on_read):
                end = chunk.rfind(b"\n")
                if end >= 0:
                    yield b"".join((*self._pending, memoryview(chunk)[: end + 1]))
                    self._pending, self._pending_bytes = [], 0
                self._keep(chunk[end + 1 :])
        except _DAMAGED as exc:
            _raise_if_not_the_file(self._path, exc)
            self._damage = exc

    def remains(self, num_whole: int) -> Iterator[tuple[int, bytes]]:
        """What comes after `num_whole` whole lines: perhaps one without a line end.

        Raises:
            DamagedError: there is more that cannot be read.
        """
        if rest := b"".join(self._pending).strip():
            yield num_whole + 1, rest
        if self._damage is not None:
            raise DamagedError(
                f"{self._path} is damaged or cut off after {num_whole:,} whole lines: "
                f"{self._damage}"
            ) from self._damage

    def _keep(self, rest: bytes) -> None:
        self._pending.append(rest)
        self._pending_bytes += len(rest)
        if self._pending_bytes > _MAX_LINE_BYTES:
            self._pending = []
            raise EOFError(f"no line end within {_MAX_LINE_BYTES} bytes: this is no ndjson")


def _raise_if_not_the_file(path: Path, exc: Exception) -> None:
    """Pass on what the system says of a disk, a network or a name: that is no damage to the file.

    Raises:
        UsageError: the file cannot be opened.
        WebtextError: reading it failed.
    """
    if not isinstance(exc, OSError) or exc.errno is None:
        return
    is_usage = isinstance(exc, FileNotFoundError | IsADirectoryError | PermissionError)
    raise (UsageError if is_usage else WebtextError)(
        f"{path} cannot be read: {exc.strerror}",
        hint="Check links.dumps and links.urls in the recipe, and that the disk can be read.",
    ) from exc


def _chunks(path: Path, on_read: OnRead) -> Iterator[bytes]:
    with path.open("rb") as file:
        for chunk in _zstd_chunks(file) if path.suffix == ".zst" else _file_chunks(file, path):
            on_read(file.tell())
            yield chunk


def _file_chunks(file: BufferedReader, path: Path) -> Iterator[bytes]:
    opener = _OPENERS.get(path.suffix)
    reader = opener(file) if opener else file
    # `read1`, not `read`: it hands out what it has before it meets the damage behind it.
    while chunk := reader.read1(_CHUNK_BYTES):
        yield chunk


def _zstd_chunks(file: BufferedReader) -> Iterator[bytes]:
    # Not `stream_reader`: it takes the end of a cut-off file for the end of the data.
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES)
    frame = None
    while compressed := file.read(_READ_BYTES):
        while compressed:
            frame = frame or decompressor.decompressobj()
            yield frame.decompress(compressed)
            compressed = frame.unused_data
            frame = None if frame.eof else frame
    if frame is not None:
        raise EOFError("the last zstd frame has no end")
