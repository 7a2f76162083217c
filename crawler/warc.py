"""The crawl's WARC archive: every response, and one metadata record when a link is settled.

Each record is a gzip member of its own (WARC 1.0, ISO 28500), so one response is read by its
offset, other tools read the whole, and an archive cut by a crash is cut back to its last settled
link.
"""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import orjson
from warcio.archiveiterator import ArchiveIterator
from warcio.bufferedreaders import ChunkedDataReader
from warcio.exceptions import ArchiveLoadFailed
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from corpus.errors import WebtextError
from crawler.encoding import decode_body

Headers = list[tuple[str, str]]

FETCHED = "fetched"
"""The one outcome that is a page; every other is the reason why there is none."""

_BLOCK_BYTES = 1 << 18
# Far over any page (CrawlConfig.max_body_bytes limits those): a guard for foreign archives.
_MAX_DECODED_BYTES = 1 << 30
# 6 instead of warcio's 9: a quarter of the time for 1 % more bytes on HTML.
_COMPRESSION_LEVEL = 6
_DAMAGED = "Remove the folder of this stage and run the command again to fetch its pages anew."
_SETTLED = "application/x-webtext-outcome+json"


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
    offset: int = -1
    """Byte offset of the response record's gzip member; -1: there is no response."""


@dataclass(frozen=True, slots=True)
class Response:
    """One archived response; `body` is decoded (no Content-Encoding)."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: str, default: str = "") -> str:
        """The first header called `name`, whatever its case."""
        return next((v for key, v in self.headers if key.lower() == name.lower()), default)


class ArchiveWriter:
    """Appends records to an archive; what is flushed survives a kill -9."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")

    def write_exchange(self, url: str, request: Headers, response: Response, *, cut: bool) -> int:
        """Append a response and the GET that asked for it; return the response's offset.

        Args:
            url: The address asked for.
            request: The request's headers.
            response: With the body as it came, still encoded.
            cut: The body was not downloaded, by our own choice.
        """
        builder = WARCWriter(BytesIO(), gzip=False)
        extra = {"WARC-Truncated": "unspecified"} if cut else {}
        status_line = StatusAndHeaders(
            str(response.status), _as_stored(response), protocol="HTTP/1.1"
        )
        answered = builder.create_warc_record(
            url,
            "response",
            payload=BytesIO(response.body),
            length=len(response.body),
            http_headers=status_line,
            warc_headers_dict=extra,
        )
        target = urlsplit(url)._replace(scheme="", netloc="", fragment="").geturl() or "/"
        request_line = StatusAndHeaders(f"GET {target} HTTP/1.1", request, is_http_request=True)
        asked = builder.create_warc_record(url, "request", http_headers=request_line)
        record_id = answered.rec_headers.get_header("WARC-Record-ID")
        asked.rec_headers.add_header("WARC-Concurrent-To", record_id)
        offset = self._append(answered)
        self._append(asked)
        return offset

    def write_outcome(self, outcome: Outcome) -> None:
        """Append a link's outcome and flush: from here on the link is settled."""
        fields = orjson.dumps(outcome)
        builder = WARCWriter(BytesIO(), gzip=False)
        record = builder.create_warc_record(
            outcome.url,
            "metadata",
            payload=BytesIO(fields),
            length=len(fields),
            warc_content_type=_SETTLED,
        )
        self._append(record)
        self._file.flush()

    def close(self) -> None:
        """Flush and close the file."""
        self._file.close()

    def _append(self, record: object) -> int:
        buffer = BytesIO()
        WARCWriter(buffer, gzip=False).write_record(record)
        offset = self._file.tell()
        self._file.write(gzip.compress(buffer.getvalue(), _COMPRESSION_LEVEL, mtime=0))
        return offset


class ResponseReader:
    """Reads responses of one archive by offset; offsets in rising order read the file once.

    Use it as a context manager.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb")

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
            record = next(ArchiveIterator(self._file))
            headers = record.http_headers
            if record.rec_type != "response" or headers is None:
                raise WebtextError(
                    f"{self._path} has no response record at byte {offset}", hint=_DAMAGED
                )
            body = record.raw_stream.read()
        except (StopIteration, ArchiveLoadFailed, EOFError, zlib.error) as exc:
            raise WebtextError(
                f"{self._path} is damaged at byte {offset}: {exc}", hint=_DAMAGED
            ) from exc
        if headers.get_header("Transfer-Encoding", "").lower() == "chunked":
            body = _dechunk(body)  # foreign archives keep what came over the wire
        return Response(int(headers.get_statuscode()), list(headers.headers), body)


def read_response(path: Path, offset: int) -> Response:
    """One archived response; use `ResponseReader` for many.

    Raises:
        WebtextError: there is no readable response record at `offset`.
    """
    with ResponseReader(path) as reader:
        return reader.read(offset)


def iterate_outcomes(path: Path) -> Iterator[Outcome]:
    """The settled links of an archive, in the order in which they were settled."""
    for _, outcome in _outcomes_with_ends(path):
        yield outcome


def salvage(path: Path) -> Iterator[Outcome]:
    """Yield the settled links of an archive that a crash may have cut, then cut it clean.

    Everything after the last whole outcome record is removed: those links are fetched again.
    Exhaust the iterator; the cut is its last act.
    """
    settled_bytes = 0
    for end, outcome in _outcomes_with_ends(path):
        settled_bytes = end
        yield outcome
    with path.open("r+b") as file:
        file.truncate(settled_bytes)


def _outcomes_with_ends(path: Path) -> Iterator[tuple[int, Outcome]]:
    for end, record in _members(path):
        head, _, block = record.partition(b"\r\n\r\n")
        if _SETTLED.encode() in head:
            yield end, Outcome(**orjson.loads(block))


def _members(path: Path) -> Iterator[tuple[int, bytes]]:
    """Each whole gzip member with the offset of its end; stops at the first that is not whole."""
    with path.open("rb") as file:
        end, block = 0, file.read(_BLOCK_BYTES)
        while block:
            decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
            parts: list[bytes] = []
            try:
                while block and not decoder.eof:
                    parts.append(decoder.decompress(block))
                    end += len(block) - len(decoder.unused_data)
                    block = decoder.unused_data or file.read(_BLOCK_BYTES)
            except zlib.error:
                return
            if not decoder.eof:
                return
            yield end, b"".join(parts)


def _as_stored(response: Response) -> Headers:
    """Headers true of the body as we keep it: dechunked, with its length."""
    kept = [
        (name, value)
        for name, value in response.headers
        if name.lower() not in {"transfer-encoding", "content-length"}
    ]
    return [*kept, ("Content-Length", str(len(response.body)))]


def _dechunk(body: bytes) -> bytes:
    reader = ChunkedDataReader(BytesIO(body))
    return b"".join(iter(reader.read, b""))
