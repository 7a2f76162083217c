"""What a crawl archives, as bytes: WARC records (1.0, ISO 28500), each a gzip member of its own.

Written by hand because this is the crawl's hot path: warcio takes several times as long for the
same records. It reads them back, here and in the tests.
"""

import hashlib
import re
import time
from base64 import b32encode
from collections.abc import Mapping
from functools import cache
from http.client import responses as phrases
from importlib.metadata import version
from urllib.parse import quote, urlsplit
from uuid import uuid4

import orjson

from crawler.archive.gzip_members import gzip_member
from crawler.archive.warc import OUTCOME_TYPE, Headers, Outcome, Response

_UNSAFE_IN_URL = re.compile(r"[\x00-\x20\x7f]+")
_LINE_BREAKS = re.compile(r"[\r\n]+")
_RECORD_END = b"\r\n\r\n"


def exchange_records(
    url: str, request: Headers, response: Response, *, cut: bool, ip: str = ""
) -> tuple[bytes, bytes]:
    """A response and the GET that asked for it: two records, in this order.

    Args:
        url: The address asked for.
        request: The request's headers.
        response: With the body as it came, still encoded.
        cut: The body was not downloaded, by our own choice.
        ip: The server's address, where it is known.
    """
    target = urlsplit(url)._replace(scheme="", netloc="", fragment="").geturl() or "/"
    both = {"WARC-Target-URI": _uri(url)}
    if ip:
        both["WARC-IP-Address"] = ip
    response_id = _record_id()
    fields = {"WARC-Payload-Digest": _digest(response.body)}
    if cut:
        fields["WARC-Truncated"] = "unspecified"
    answered = _record(
        "response",
        {"WARC-Record-ID": response_id, **both, **fields},
        "application/http; msgtype=response",
        _response_head(response),
        response.body,
        store=bool(response.header("Content-Encoding")),
    )
    asked = _record(
        "request",
        {"WARC-Record-ID": _record_id(), **both, "WARC-Concurrent-To": response_id},
        "application/http; msgtype=request",
        _http_head(f"GET {target} HTTP/1.1", request),
    )
    return answered, asked


def outcome_record(outcome: Outcome) -> bytes:
    """The metadata record that settles a link; its member is marked."""
    fields = {"WARC-Record-ID": _record_id(), "WARC-Target-URI": _uri(outcome.url)}
    return _record("metadata", fields, OUTCOME_TYPE, orjson.dumps(outcome), mark=True)


def info_record(file_name: str, info: Mapping[str, str]) -> bytes:
    """The record that an archive file begins with: who made it, and how.

    Args:
        file_name: The archive file's final name.
        info: Fields beside `software` and `format`: `isPartOf`, `robots`, `operator` and so on.
    """
    fields = {"software": _software(), "format": "WARC File Format 1.0", **info}
    block = "".join(f"{name}: {_one_line(value)}\r\n" for name, value in fields.items())
    head = {"WARC-Record-ID": _record_id(), "WARC-Filename": file_name}
    return _record("warcinfo", head, "application/warc-fields", block.encode())


def _record(
    kind: str,
    fields: Mapping[str, str],
    content_type: str,
    head: bytes,
    body: bytes = b"",
    *,
    store: bool = False,
    mark: bool = False,
) -> bytes:
    """One record whose block is `head` and `body`, as a gzip member."""
    lines = [
        "WARC/1.0",
        f"WARC-Type: {kind}",
        *(f"{name}: {value}" for name, value in fields.items()),
        time.strftime("WARC-Date: %Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        f"WARC-Block-Digest: {_digest(head, body)}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(head) + len(body)}",
        "\r\n",
    ]
    start = "\r\n".join(lines).encode() + head
    return gzip_member(start, body + _RECORD_END, store=store, mark=mark)


def _response_head(response: Response) -> bytes:
    """Status line and headers true of the body as we keep it: dechunked, with its length."""
    kept = [
        (name, value)
        for name, value in response.headers
        if name.lower() not in {"transfer-encoding", "content-length"}
    ]
    kept.append(("Content-Length", str(len(response.body))))
    return _http_head(f"HTTP/1.1 {response.status} {phrases.get(response.status, '')}", kept)


def _http_head(first_line: str, headers: Headers) -> bytes:
    lines = [first_line, *(f"{_one_line(name)}: {_one_line(value)}" for name, value in headers)]
    # Servers' headers were decoded as latin-1: this gives back the bytes that came.
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def _one_line(value: str) -> str:
    return _LINE_BREAKS.sub(" ", value)


def _uri(url: str) -> str:
    return _UNSAFE_IN_URL.sub(lambda match: quote(match[0]), url)


def _record_id() -> str:
    return f"<urn:uuid:{uuid4()}>"


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha1(usedforsecurity=False)
    for part in parts:
        digest.update(part)
    return f"sha1:{b32encode(digest.digest()).decode()}"


@cache
def _software() -> str:
    return f"webtext/{version('webtext')}"
