"""Takes the records of some addresses out of a finished archive file.

In their place comes emptiness of the same length: a record of zeros. So every other record stays
where it is, and no shard that says where one lies has to be written anew.
"""

import shutil
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from corpus.atomic import atomic_path
from corpus.errors import WebtextError
from crawler.archive.gzip_members import Member, member_of_length, walk_members
from crawler.archive.warc import Outcome, parse_outcome

# A request and its headers take 0.5 KB inflated, a foreign record's headers at most this.
_FIRST_BYTES, _MAX_HEAD_BYTES = 2048, 1 << 17
_GZIP_WBITS = 16 + zlib.MAX_WBITS

_EMPTY_HEAD = (
    "WARC/1.0\r\nWARC-Type: metadata\r\n"
    # No two records of a file may share an id.
    "WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-{number:012x}>\r\n"
    "WARC-Date: 1970-01-01T00:00:00Z\r\nContent-Length: {num_zeros:010d}\r\n\r\n"
)
_RECORD_END = b"\r\n\r\n"

PlaceOf = Callable[[str], str | None]
"""Why an address goes: `takedown.txt:3`; None: it stays."""


class Span(NamedTuple):
    """Bytes of an archive file."""

    start: int
    end: int


@dataclass
class Found:
    """What of an archive file goes."""

    spans: list[Span] = field(default_factory=list)
    """Whole members, in their order."""
    links: dict[str, str] = field(default_factory=dict)
    """Settled links that go, and why."""
    elsewhere: list[tuple[str, int]] = field(default_factory=list)
    """File and offset of their last responses, where that is another file: an answer that had to
    wait long for what came after it."""


class _Record(NamedTuple):
    member: Member
    kind: str
    target: str


def find_records(path: Path, place_of: PlaceOf, offsets: Collection[int] = ()) -> Found:
    """Look at the head of every record of an archive file of ours.

    A record goes if its address does, or if the link goes that it was fetched for. A link goes if
    its address does, or the address that it was redirected to. 0.1 ms a link.

    Args:
        path: A finished archive file: of a crawl, or with copies from other crawls' archives.
        place_of: Which addresses go.
        offsets: Further responses that go, with their requests.

    Raises:
        WebtextError: the file is damaged.
    """
    found, going, waiting = Found(), list[Member](), list[_Record]()
    with path.open("rb") as file:
        for record in _records(path, file):
            if record.member.is_marked:
                outcome = _outcome(path, file, record.member)
                place = place_of(outcome.url) or place_of(outcome.final_url)
                if place:
                    found.links[outcome.url] = place
                    going += [each.member for each in waiting if _is_of(each, outcome, path)]
                    going.append(record.member)
                    if outcome.offset >= 0 and outcome.warc != path.name:
                        found.elsewhere.append((outcome.warc, outcome.offset))
                waiting.clear()
            elif place_of(record.target) or _is_at(record, offsets, going):
                going.append(record.member)
            else:
                waiting.append(record)
    found.spans = [Span(each.offset, each.end) for each in sorted(going, key=_offset)]
    return found


def blank_records(source: Path, target: Path, spans: Iterable[Span]) -> None:
    """Write `target`, a copy of the archive `source` with nothing in these spans. Atomic.

    Raises:
        WebtextError: no space left.
    """
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
        with temporary.open("r+b") as file:
            for span in spans:
                file.seek(span.start)
                file.write(empty_record(span))


def empty_record(span: Span) -> bytes:
    """A WARC record of zeros, as a gzip member with the length of a span.

    Of a span that is too small for one nothing is left but the member: it inflates to nothing.
    """

    def content(num_bytes: int) -> bytes:
        # Ten digits whatever the number, so that the head has one length.
        head = _EMPTY_HEAD.format(number=span.start, num_zeros=0)
        num_zeros = num_bytes - len(head) - len(_RECORD_END)
        if num_zeros < 0:
            return b""
        head = _EMPTY_HEAD.format(number=span.start, num_zeros=num_zeros)
        return head.encode() + bytes(num_zeros) + _RECORD_END

    return member_of_length(span.end - span.start, content)


def _records(path: Path, file: BinaryIO) -> Iterator[_Record]:
    end = 0
    for member in walk_members(path):
        fields = _head(path, file, member)
        yield _Record(member, fields.get("warc-type", ""), fields.get("warc-target-uri", ""))
        end = member.end
    if end < path.stat().st_size:
        raise _damaged(path, end)


def _head(path: Path, file: BinaryIO, member: Member) -> dict[str, str]:
    """The named fields of the WARC record in a member, in lower case."""
    size = member.end - member.offset
    for num_bytes, limit in ((min(size, _FIRST_BYTES), _FIRST_BYTES), (size, _MAX_HEAD_BYTES)):
        file.seek(member.offset)
        try:
            content = zlib.decompressobj(_GZIP_WBITS).decompress(file.read(num_bytes), limit)
        except zlib.error as exc:
            raise _damaged(path, member.offset) from exc
        head, is_whole, _ = content.partition(b"\r\n\r\n")
        if is_whole:
            break
    pairs = (line.partition(":") for line in head.decode("utf-8", "replace").split("\r\n")[1:])
    return {name.strip().lower(): value.strip(" <>") for name, _, value in pairs}


def _outcome(path: Path, file: BinaryIO, member: Member) -> Outcome:
    file.seek(member.offset)
    outcome = parse_outcome(file.read(member.end - member.offset))
    if outcome is None:
        raise _damaged(path, member.offset)
    return outcome


def _is_of(record: _Record, outcome: Outcome, path: Path) -> bool:
    """Whether a record before an outcome is of its link, and not a robots.txt in between."""
    is_last_response = outcome.warc == path.name and record.member.offset >= outcome.offset >= 0
    return is_last_response or record.target == outcome.url


def _is_at(record: _Record, offsets: Collection[int], going: list[Member]) -> bool:
    """Whether a record is a response to take out, or the request behind one."""
    is_behind = bool(going) and going[-1].end == record.member.offset
    return record.member.offset in offsets or (
        record.kind == "request" and is_behind and going[-1].offset in offsets
    )


def _offset(member: Member) -> int:
    return member.offset


def _damaged(path: Path, offset: int) -> WebtextError:
    return WebtextError(
        f"{path} is damaged at byte {offset}",
        hint="Put a sound copy in its place; or remove its folder, and every later one that was "
        "made from it, and build again.",
    )
