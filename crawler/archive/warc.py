"""The crawl's WARC archive, read: every response, and one metadata record per settled link.

Each record is a gzip member of its own (WARC 1.0, ISO 28500), so one response is read by its
offset, other tools read the whole, and an archive cut by a crash is cut back to its last settled
link. `warc_records` makes the records, `archive_writer` writes them.
"""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import orjson
from isal import isal_zlib
from isal.igzip_lib import IsalError
from warcio.bufferedreaders import ChunkedDataReader
from warcio.exceptions import ArchiveLoadFailed
from warcio.recordloader import ArcWarcRecordLoader

from corpus.errors import WebtextError
from crawler.archive.encoding import decode_body
from crawler.archive.gzip_members import walk_members

Headers = list[tuple[str, str]]

FETCHED = "fetched"
"""The one outcome that is a page; every other is the reason why there is none."""

OUTCOME_TYPE = "application/x-webtext-outcome+json"
"""Content-Type of the metadata record that settles a link."""

_BLOCK_BYTES = 1 << 16
# Far over any page (CrawlConfig.max_body_bytes limits those): a guard for foreign archives.
_MAX_DECODED_BYTES = 1 << 30
_DAMAGE: tuple[type[Exception], ...] = (
    *(ArchiveLoadFailed, EOFError, ValueError),
    IsalError,  # pyright: ignore[reportAssignmentType] - its stub calls it an instance
)
# Without the layers of streams that warcio reads whole files through: half the time.
_LOADER = ArcWarcRecordLoader()
_DAMAGED = "Remove the folder of this stage and run the command again to fetch its pages anew."


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one link: `fetched`, or the reason why not. Each link gets exactly one."""

    url: str
    outcome: str
    detail: str = ""
    status: int = 0
    final_url: str = ""
    content_type: str = ""
    digest: str = ""
    """sha256 of the decoded body, hex."""
    fetched_at: int = 0
    """Seconds since 1970 UTC."""
    row: int = -1
    """Row of the link in its links shard."""
    warc: str = ""
    """Name of the archive file that holds the link's last response."""
    offset: int = -1
    """Byte offset of that response record's gzip member; -1: there is no response."""


@dataclass(frozen=True, slots=True)
class Response:
    """One archived response; `body` is decoded (no Content-Encoding)."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: str, default: str = "") -> str:
        """The first header called `name`, whatever its case."""
        return next((v for key, v in self.headers if key.lower() == name.lower()), default)


class ResponseReader:
    """Reads responses of one archive by offset; offsets in rising order read the file once.

    Use it as a context manager.

    Raises:
        WebtextError: the file is not there any more.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("rb")
        except FileNotFoundError as exc:
            raise WebtextError(
                f"the archive {path} is gone",
                hint="Put it, or a symbolic link to it, back there; or remove the pages folder and "
                "run again with its new path.",
            ) from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def read(self, offset: int) -> Response:
        """The response whose gzip member begins at byte `offset`, its body decoded.

        Raises:
            WebtextError: there is no readable response record at `offset`.
        """
        raw = self.read_raw(offset)
        encodings = [value for name, value in raw.headers if name.lower() == "content-encoding"]
        return Response(
            raw.status, raw.headers, decode_body(raw.body, encodings, _MAX_DECODED_BYTES)
        )

    def read_raw(self, offset: int) -> Response:
        """As `read`, with the body in its Content-Encoding."""
        self._file.seek(offset)
        try:
            record = _LOADER.parse_record_stream(
                BytesIO(_inflate_member(self._file)), known_format="warc"
            )
            headers = record.http_headers
            if record.rec_type != "response" or headers is None:
                raise WebtextError(
                    f"{self._path} has no response record at byte {offset}", hint=_DAMAGED
                )
            body, status = record.raw_stream.read(), int(headers.get_statuscode())
        except _DAMAGE as exc:
            raise WebtextError(
                f"{self._path} is damaged at byte {offset}: {exc}", hint=_DAMAGED
            ) from exc
        if headers.get_header("Transfer-Encoding", "").lower() == "chunked":
            body = _dechunk(body)  # foreign archives keep what came over the wire
        return Response(status, list(headers.headers), body)


def read_response(path: Path, offset: int) -> Response:
    """One archived response; use `ResponseReader` for many.

    Raises:
        WebtextError: there is no readable response record at `offset`.
    """
    with ResponseReader(path) as reader:
        return reader.read(offset)


def iterate_outcomes(path: Path, *, is_finished: bool = False) -> Iterator[Outcome]:
    """The settled links of an archive file, in the order in which they were settled.

    Args:
        path: The file, whole or cut by a crash.
        is_finished: The file has its final name, so it must be whole.

    Raises:
        WebtextError: a finished file is damaged.
    """
    for _, outcome in _outcomes_with_ends(path, is_finished=is_finished):
        yield outcome


def salvage(path: Path) -> Iterator[Outcome]:
    """Yield the settled links of an archive file that a crash may have cut, then cut it clean.

    Everything after the last whole outcome record is removed: those links are fetched again.
    Exhaust the iterator; the cut is its last act.
    """
    settled_bytes = 0
    for end, outcome in _outcomes_with_ends(path, is_finished=False):
        settled_bytes = end
        yield outcome
    with path.open("r+b") as file:
        file.truncate(settled_bytes)


def _outcomes_with_ends(path: Path, *, is_finished: bool) -> Iterator[tuple[int, Outcome]]:
    end, member = 0, None
    with path.open("rb") as file:
        for member in walk_members(path):
            if member.is_marked:
                file.seek(member.offset)
                outcome = parse_outcome(file.read(member.end - member.offset))
                if outcome is None:
                    break
                yield member.end, outcome
            end = member.end
    if is_finished and end < path.stat().st_size:
        raise WebtextError(f"{path} is damaged at byte {end}", hint=_DAMAGED)


def parse_outcome(member: bytes) -> Outcome | None:
    """The outcome in a marked member; None if something else is in its place."""
    try:
        record = gzip.decompress(member)
    except (OSError, EOFError, zlib.error):
        return None
    return Outcome(**orjson.loads(record.partition(b"\r\n\r\n")[2]))


def _inflate_member(file: BinaryIO) -> bytes:
    """The content of the gzip member that begins where `file` is.

    warcio, left to inflate it, takes a member that is cut or damaged for a shorter one. ISA-L takes
    half of zlib's time, 0.2 ms less per page.
    """
    stream = isal_zlib.decompressobj(16 + isal_zlib.MAX_WBITS)
    parts: list[bytes] = []
    while not stream.eof:
        block = file.read(_BLOCK_BYTES)
        if not block:
            raise EOFError("the file ends here")
        parts.append(stream.decompress(block))
    return b"".join(parts)


def _dechunk(body: bytes) -> bytes:
    reader = ChunkedDataReader(BytesIO(body))
    return b"".join(iter(reader.read, b""))
