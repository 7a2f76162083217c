"""Bodies as bytes: Content-Encoding undone within a limit, and media types told by first bytes.

The crawl and the reader of its archive share this.
"""

import zlib
from collections.abc import Callable, Iterable

import brotli
import zstandard

ACCEPTED = "gzip, deflate, br, zstd"
"""What our requests say in Accept-Encoding: exactly what `decode_body` undoes."""

# No server means more than two; curl reads five.
_MAX_ENCODINGS = 5
_GZIP_WBITS = 16 + zlib.MAX_WBITS

# The length and the bytes of the WHATWG MIME Sniffing Standard, 7.1 and table 3.
_SNIFFED_BYTES = 1445
_BINARY_BYTES = bytes([*range(0x09), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20)])
_TEXT_BYTES = bytes(set(range(256)) - set(_BINARY_BYTES))
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe")
_BLANK = b" \t\r\n\f\v\0"

# What servers most often send as text/html although it is something else.
_MAGIC = [
    (b"%PDF-", "application/pdf"),
    (b"%!PS-Adobe-", "application/postscript"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"RIFF", "application/x-riff"),
    (b"PK\x03\x04", "application/zip"),
    (b"Rar!\x1a\x07", "application/x-rar-compressed"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"ID3", "audio/mpeg"),
    (b"OggS\0", "application/ogg"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
    (b"\x7fELF", "application/x-elf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/msword"),
]


class BodyTooLargeError(ValueError):
    """A decoded body is larger than the limit: a large page or a decompression bomb."""


class BadEncodingError(ValueError):
    """A body is not in the Content-Encoding that its header names."""


def decode_body(body: bytes, encodings: Iterable[str], max_bytes: int) -> bytes:
    """Undo each Content-Encoding, the last applied first; an unknown one ends the decoding.

    A cut gzip or deflate stream gives what there is of it, as browsers do.

    Args:
        body: The bytes as they came.
        encodings: Values of the Content-Encoding headers; each may list several.
        max_bytes: Largest decoded body.

    Raises:
        BodyTooLargeError: the decoded body is larger than `max_bytes`.
        BadEncodingError: the body is not encoded as it says.
    """
    listed = [name.strip().lower() for value in encodings for name in value.split(",")]
    names = [name for name in listed if name not in {"", "identity"}]
    if len(names) > _MAX_ENCODINGS:
        raise BadEncodingError(f"{len(names)} encodings")
    for name in reversed(names):
        if name not in _DECODERS or not body:
            break
        try:
            body = _DECODERS[name](body, max_bytes + 1)
        except (zlib.error, brotli.error, zstandard.ZstdError) as exc:
            raise BadEncodingError(f"encoding {name}") from exc
        if len(body) > max_bytes:
            raise BodyTooLargeError(f"more than {max_bytes} bytes after {name}")
    return body


def is_blank(body: bytes) -> bool:
    """Whether a body is nothing but white space and NULs."""
    # A page of text is decided by its first bytes, without a copy of it.
    return not body[:1024].strip(_BLANK) and not body.strip(_BLANK)


def foreign_type(body: bytes) -> str:
    """The media type of a body that is no text whatever its header says; empty: it is text.

    Args:
        body: Decoded (no Content-Encoding); only its first 1,445 bytes are looked at.
    """
    for magic, kind in _MAGIC:
        if body.startswith(magic):
            return kind
    head = body[:_SNIFFED_BYTES]
    if head.startswith(_BYTE_ORDER_MARKS) or not head.translate(None, _TEXT_BYTES):
        return ""
    # UTF-16 without a mark: every other byte of Western text is NUL.
    if max(head[::2].count(0), head[1::2].count(0)) > len(head) // 3 and b"\0\0" not in head:
        return ""
    return "application/octet-stream"


def _gunzip(body: bytes, limit: int) -> bytes:
    parts: list[bytes] = []
    # A gzip file may be several members end to end; what follows the last one is ignored.
    while body and limit > 0 and (not parts or body.startswith(b"\x1f\x8b")):
        decoder = zlib.decompressobj(_GZIP_WBITS)
        parts.append(decoder.decompress(body, limit))
        limit -= len(parts[-1])
        body = decoder.unused_data
    return b"".join(parts)


def _inflate(body: bytes, limit: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(body, limit)
    except zlib.error:
        # Some servers send the raw stream without zlib's header.
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(body, limit)


def _unbrotli(body: bytes, limit: int) -> bytes:
    decoder = brotli.Decompressor()
    parts = [decoder.process(body, output_buffer_limit=limit)]
    while sum(map(len, parts)) < limit and not decoder.can_accept_more_data():
        parts.append(decoder.process(b"", output_buffer_limit=limit))
    return b"".join(parts)[:limit]


def _unzstd(body: bytes, limit: int) -> bytes:
    # 2^27 is the largest window that a browser accepts (RFC 9659 says 8 MB).
    decoder = zstandard.ZstdDecompressor(max_window_size=2**27)
    with decoder.stream_reader(body, read_across_frames=True) as reader:
        return reader.read(limit)


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _inflate,
    "br": _unbrotli,
    "zstd": _unzstd,
}
