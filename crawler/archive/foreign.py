"""WARC files of other crawlers, read record by record from beginning to end, damaged or not.

Three layouts are about: a gzip member per record (the standard's advice; Common Crawl, Heritrix,
wget, warcio), gzip over the file as a whole or in blocks (a `gzip file.warc`), and none. A record
that is a gzip member of its own can be read again by its offset; of the others this reader hands
out the bytes, so that whoever wants them again may keep a copy. Behind damage it looks for the
next record and goes on. warcio's own iterator ends or raises there, and takes a record that is cut
for a shorter one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from warcio.archiveiterator import ArchiveIterator
from warcio.bufferedreaders import ChunkedDataReader
from warcio.exceptions import ArchiveLoadFailed

from crawler.archive.inflated import VERSION, VERSION_BYTES, DamagedRecordError, Inflated
from crawler.archive.warc import Response

_MAX_HEAD_BYTES = 1 << 16  # WARC and HTTP headers: a page has a kilobyte of each
_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Damage:
    """A place in the file where a record cannot be read."""

    offset: int
    detail: str


@dataclass(frozen=True, slots=True)
class Record:
    """One WARC record."""

    fields: dict[str, str]
    """Its named fields, names in lower case."""
    offset: int
    """Where it begins in the file: the byte of its gzip member, or its own where there is none."""
    num_bytes: int
    """Size of its block as stored: for a response the HTTP headers and the body."""
    raw: bytes
    """The whole record, inflated; empty if its block is over the limit."""
    stands_alone: bool
    """Whether it is a gzip member of its own, so that its offset finds it."""

    @property
    def kind(self) -> str:
        """`response`, `revisit`, `request` and so on."""
        return self.fields.get("warc-type", "").lower()

    @property
    def target(self) -> str:
        """The address that it is about. wget 1.19 wrote it in angle brackets."""
        return self.fields.get("warc-target-uri", "").strip("<>")

    def response(self) -> Response:
        """The HTTP response in it: dechunked, the body in its Content-Encoding.

        Raises:
            ValueError: it is not HTTP.
        """
        try:
            record = next(ArchiveIterator(BytesIO(self.raw)))
            headers, body = record.http_headers, record.raw_stream.read()
        except (StopIteration, ArchiveLoadFailed, EOFError) as exc:
            raise ValueError(str(exc)) from exc
        if headers is None:
            raise ValueError("no HTTP headers")
        if headers.get_header("Transfer-Encoding", "").lower() == "chunked":
            body = b"".join(iter(ChunkedDataReader(BytesIO(body)).read, b""))
        return Response(int(headers.get_statuscode()), list(headers.headers), body)


def iterate_records(path: Path, max_bytes: int) -> Iterator[Record | Damage]:
    """Every record of a WARC file in its order, and each place where one cannot be read.

    Args:
        path: A WARC file, compressed or not.
        max_bytes: Largest block to hold in memory: of larger ones `raw` is empty.
    """
    with path.open("rb") as file:
        stream = Inflated(file)
        while True:
            try:
                record = _next_record(stream, max_bytes + _MAX_HEAD_BYTES)
            except DamagedRecordError as exc:
                yield Damage(stream.offset, str(exc))
                stream.find_next_record()
                continue
            if record is None:
                return
            yield record


def _next_record(stream: Inflated, max_bytes: int) -> Record | None:
    while stream.need(1) and stream.buffer[0] in b"\r\n":
        stream.drop(1)
    stream.begin_record()
    if not stream.buffer:
        return None
    head = _read_head(stream)
    fields = _parse_fields(head)
    try:
        num_bytes = int(fields["content-length"])
    except (KeyError, ValueError) as exc:
        raise DamagedRecordError("no Content-Length") from exc
    offset, size = stream.offset, len(head) + max(0, num_bytes)
    is_held = num_bytes <= max_bytes
    if not is_held:
        stream.drop(size)
        size = 0
    elif not stream.need(size):
        raise DamagedRecordError("the file ends within the record")
    stream.need(size + len(_HEAD_END))
    behind = bytes(stream.buffer[size : size + len(_HEAD_END)])
    # Some writers leave out the two line ends behind a record, where its member ends.
    if not _HEAD_END.startswith(behind) and not stream.begins_member(size):
        raise DamagedRecordError("it does not end where its Content-Length says")
    raw = bytes(stream.buffer[:size])
    _end_record(stream, size)
    return Record(fields, offset, num_bytes, raw, stream.is_member())


def _read_head(stream: Inflated) -> bytes:
    stream.need(VERSION_BYTES)
    if not VERSION.match(stream.buffer):
        raise DamagedRecordError(f"no record: {bytes(stream.buffer[:VERSION_BYTES])!r}")
    while (end := stream.buffer.find(_HEAD_END)) < 0:
        if len(stream.buffer) > _MAX_HEAD_BYTES or not stream.need(len(stream.buffer) + 1):
            raise DamagedRecordError("its headers do not end")
    if VERSION.search(stream.buffer, 1, end):
        raise DamagedRecordError("its headers end in another record")
    return bytes(stream.buffer[: end + len(_HEAD_END)])


def _parse_fields(head: bytes) -> dict[str, str]:
    lines = head.decode("utf-8", "replace").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _end_record(stream: Inflated, size: int) -> None:
    behind = stream.buffer[size : size + len(_HEAD_END)]
    num_ends = len(behind) - len(behind.lstrip(b"\r\n"))
    stream.drop(size + num_ends)
