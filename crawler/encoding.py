"""Content-Encoding undone, within a limit: the crawl and the reader of its archive share this."""

import zlib
from collections.abc import Callable, Iterable

import brotli
import zstandard

ACCEPTED = "gzip, deflate, br, zstd"
"""What our requests say in Accept-Encoding: exactly what `decode_body` undoes."""

_GZIP_WBITS = 16 + zlib.MAX_WBITS


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
    names = [name.strip().lower() for value in encodings for name in value.split(",")]
    for name in reversed(names):
        if name not in _DECODERS or not body:
            break
        try:
            body = _DECODERS[name](body, max_bytes + 1)
        except (zlib.error, brotli.error, zstandard.ZstdError) as exc:
            raise BadEncodingError(name) from exc
        if len(body) > max_bytes:
            raise BodyTooLargeError(f"more than {max_bytes} bytes after {name}")
    return body


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
