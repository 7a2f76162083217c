"""WARC files as other crawlers write them, byte for byte."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import brotli

from corpus.shards import read_rows

HTML = [("Content-Type", "text/html; charset=utf-8")]
DATE = "2018-02-03T04:05:06Z"
BLOCK_BYTES = 777


def page(word: str) -> bytes:
    """A page of 3 KB that does not compress to nothing."""
    words = " ".join(str(zlib.crc32(f"{word}{i}".encode())) for i in range(250))
    return f"<html><title>{word}</title><body><p>{word} {words}</p></body></html>".encode()


def record(
    url: str,
    body: bytes,
    *,
    kind: str = "response",
    status: str = "200 OK",
    headers: list[tuple[str, str]] = HTML,
    date: str = DATE,
    fields: dict[str, str] | None = None,
    version: str = "1.0",
) -> bytes:
    """One record, not compressed, laid out as warcio does."""
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers), "", ""]
    http = "\r\n".join(lines).encode() if kind in {"response", "revisit"} else b""
    named = {
        "WARC-Type": kind,
        "WARC-Record-ID": f"<urn:uuid:{zlib.crc32(url.encode())}>",
        "WARC-Target-URI": url,
        "WARC-Date": date,
        **(fields or {}),
        "Content-Type": f"application/http; msgtype={kind}",
        "Content-Length": str(len(http) + len(body)),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"WARC/{version}\r\n{head}\r\n".encode() + http + body + b"\r\n\r\n"


def chunked(body: bytes) -> bytes:
    """`body` as it comes over the wire, in chunks of 1,000 bytes."""
    parts = [body[i : i + 1000] for i in range(0, len(body), 1000)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def exchange(number: int) -> list[bytes]:
    """A request and its response, one of four kinds of body."""
    url, body = f"http://host{number % 3}.example/{number}", page(f"page{number}")
    sent, headers = [
        (body, HTML),
        (chunked(body), [*HTML, ("Transfer-Encoding", "chunked")]),
        (brotli.compress(body), [*HTML, ("Content-Encoding", "br")]),
        (
            chunked(gzip.compress(body)),
            [*HTML, ("Transfer-Encoding", "chunked"), ("Content-Encoding", "gzip")],
        ),
    ][number % 4]
    asked = record(url, b"GET / HTTP/1.1\r\n\r\n", kind="request")
    return [asked, record(url, sent, headers=headers, version="1.1" if number % 2 else "1.0")]


def exchanges(num: int) -> list[bytes]:
    """A warcinfo record and the records of `num` exchanges."""
    info = record("urn:info", b"software: test\r\n", kind="warcinfo")
    return [info, *(each for number in range(num) for each in exchange(number))]


def blocks(records: list[bytes]) -> bytes:
    """Gzip members that know nothing of records, as bgzip and pigz write them."""
    content = b"".join(records)
    starts = range(0, len(content), BLOCK_BYTES)
    return b"".join(gzip.compress(content[i : i + BLOCK_BYTES]) for i in starts)


LAYOUTS: dict[str, Callable[[list[bytes]], bytes]] = {
    "a gzip member per record": lambda records: b"".join(map(gzip.compress, records)),
    "one gzip member": lambda records: gzip.compress(b"".join(records)),
    "gzip in blocks": blocks,
    "not compressed": b"".join,
}


def wget(url: str, body: bytes) -> list[bytes]:
    """The records that GNU Wget 1.20 writes for one page, as its warc.c lays them out.

    Angle brackets around addresses, the block's digest, and a manifest and log in the end.
    """

    def one(kind: str, target: str, content_type: str, block: bytes) -> bytes:
        head = (
            f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:0-{kind}>\r\n"
            f"WARC-Warcinfo-ID: <urn:uuid:0>\r\nWARC-Target-URI: <{target}>\r\n"
            f"WARC-Date: {DATE}\r\nWARC-IP-Address: 127.0.0.1\r\nWARC-Block-Digest: sha1:AAAA\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: {len(block)}\r\n\r\n"
        )
        return head.encode() + block + b"\r\n\r\n"

    answer = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: text/html\r\n\r\n" + body
    wgets = "metadata://gnu.org/software/wget/warc"
    return [
        one("warcinfo", "", "application/warc-fields", b"software: Wget/1.20.3 (linux-gnu)\r\n"),
        one("request", url, "application/http;msgtype=request", b"GET / HTTP/1.1\r\n\r\n"),
        one("response", url, "application/http;msgtype=response", answer),
        one("metadata", f"{wgets}/MANIFEST.txt", "text/plain", b"<urn:uuid:0>\n"),
        one("resource", f"{wgets}/wget.log", "text/plain", b"saved\n"),
    ]


def rows(folder: Path, kind: str) -> Iterator[dict]:
    """All rows of a kind of shard, in their order."""
    for path in sorted(folder.glob(f"{kind}-*.arrow")):
        yield from read_rows(path)
