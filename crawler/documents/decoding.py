"""Bytes to text as browsers do it: byte order mark, declared charset, meta tag, then a guess.

The order is that of the WHATWG Encoding and HTML standards, with three rules for an archive, where
nobody is there to see that a page looks wrong: what is UTF-8 is UTF-8 whatever was declared, an
encoding that does not fit the bytes is passed over, and of several that do not fit the one that
breaks the fewest characters is taken.
"""

import re
from collections.abc import Iterator

from charset_normalizer import from_bytes
from w3lib.encoding import (
    html_body_declared_encoding,
    http_content_type_encoding,
    read_bom,
    resolve_encoding,
    to_unicode,
)

BROKEN = "\ufffd"
"""What stands for bytes that are no character."""

# The encodings of https://encoding.spec.whatwg.org/#names-and-labels as Python calls them. Its
# other codecs are none of the web, or worse: `punycode` takes quadratic time, `unicode_escape`
# makes lone surrogates, `base64` is none of text.
_SINGLE_BYTE = (
    *("cp1252", "cp1251", "koi8-r", "cp1250", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257"),
    *("cp1258", "cp866", "cp874", "koi8-u", "mac-roman", "mac-cyrillic", "iso8859-2", "iso8859-3"),
    *("iso8859-4", "iso8859-5", "iso8859-6", "iso8859-7", "iso8859-8", "iso8859-10", "iso8859-13"),
    *("iso8859-14", "iso8859-15", "iso8859-16"),
)
_MULTI_BYTE = ("gb18030", "big5hkscs", "euc_jp", "cp932", "cp949")
_UNICODE = ("utf-8", "utf-16", "utf-16-le", "utf-16-be")
_ENCODINGS = frozenset((*_UNICODE, *_MULTI_BYTE, *_SINGLE_BYTE))
# Guessed among: one or two for each script, so that a guess cannot be an exotic twin. Latin is
# windows-1252: charset-normalizer took windows-1250 for it in six of seven languages tried.
_GUESSES = [
    *("cp1252", "cp1251", "koi8_r", "cp1253", "cp1255", "cp1256", "cp874"),
    *("gb18030", "big5", "shift_jis", "euc_jp", "euc_kr"),
]
_GUESS_BYTES = 4096
_LINE_STARTS = re.compile(rb"[<\n]")  # part of another character in none of the encodings
_DEFAULT = "cp1252"  # of the HTML standard, for most of the world
_NOT_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"  # browsers make control characters of them

_PRESCAN_BYTES = 1024
# The "binary data bytes" of https://mimesniff.spec.whatwg.org/#terminology, but for NUL, which
# UTF-16 is full of: no text has them, and compressed data has 10 in 100.
_BINARY_BYTES = bytes(byte for byte in range(1, 0x20) if byte not in b"\t\n\x0c\r\x1b")
_BINARY_SHARE = 0.02
_BROKEN_SHARE = 0.05


def decode(body: bytes, content_type: str) -> str:
    """The text of a page; never fails, takes linear time.

    Args:
        body: The page, without Content-Encoding.
        content_type: Its Content-Type header, with or without a charset.

    Returns:
        The text, with `BROKEN` for what is no character, no lone surrogates, no byte order mark.
    """
    encoding, mark = read_bom(body)
    if encoding is not None and mark is not None:
        return to_unicode(body[len(mark) :], encoding)
    if (encoding := _recognised(body)) is not None:
        return to_unicode(body, encoding)
    tried = []
    for encoding in _candidates(body, content_type):
        text = _decoded(body, encoding)
        if _fits(text):
            return text
        tried.append(text)
    return min(tried, key=_num_broken)


def is_binary(body: bytes) -> bool:
    """Whether this is no text in any encoding: an image, an archive, a PDF under a wrong name."""
    num_binary = len(body) - len(body.translate(None, _BINARY_BYTES))
    return num_binary > _BINARY_SHARE * len(body) and _recognised(body) is None


def is_garbled(text: str) -> bool:
    """Whether more than one character in 20 is `BROKEN`, which is one in each fourth word."""
    return _num_broken(text) > _BROKEN_SHARE * len(text)


def _recognised(body: bytes) -> str | None:
    """An encoding that shows in the bytes themselves."""
    start = body[:_PRESCAN_BYTES]
    if b"\x1b$" in body and body.isascii():  # else it would pass for UTF-8
        return "iso2022_jp"
    # Markup is ASCII, so UTF-16 without a byte order mark has NULs on one side of most pairs.
    high, low = start[::2].count(0), start[1::2].count(0)
    if max(high, low) < max(len(start) / 8, 2) or min(high, low) * 10 > max(high, low):
        return None
    return "utf-16-be" if high > low else "utf-16-le"


def _candidates(body: bytes, content_type: str) -> Iterator[str]:
    """Encodings to try, in order; the guess is made only when all before it do not fit."""
    yield "utf-8"
    declared = _known(http_content_type_encoding(content_type))
    # The standard reads UTF-16 without its marks as little-endian; a tag seen in ASCII belies it.
    if declared is not None and declared.startswith("utf-16"):
        declared = None if b"</" in body else declared
        declared = "utf-16-le" if declared == "utf-16" else declared
    if declared is not None:
        yield declared
    in_markup = _known(html_body_declared_encoding(body[:_PRESCAN_BYTES]))
    if in_markup is not None and not in_markup.startswith("utf-16"):
        yield in_markup
    if (guess := _guess(body)) is not None:
        yield guess
    if declared is None and in_markup is None:
        yield _DEFAULT


def _known(encoding: str | None) -> str | None:
    return encoding if encoding in _ENCODINGS else None


def _guess(body: bytes) -> str | None:
    best = from_bytes(_telling_part(body), cp_isolation=_GUESSES).best()
    return None if best is None else _known(resolve_encoding(best.encoding))


def _telling_part(body: bytes) -> bytes:
    """The first lines outside of tags that are not all ASCII: the rest tells nothing.

    Whole lines, as the guess is made by strict decoding and a cut character would spoil it.
    """
    found, size = [], 0
    for part in _LINE_STARTS.split(body):
        text = part.rpartition(b">")[2]
        if not text.isascii():
            found.append(text)
            size += len(text)
            if size >= _GUESS_BYTES:
                break
    return b" ".join(found)


def _decoded(body: bytes, encoding: str) -> str:
    if encoding == "cp1252":
        body = body.translate(None, _NOT_IN_CP1252)
    return to_unicode(body, encoding)


def _fits(text: str) -> bool:
    # In a wrong multi-byte encoding most characters break: by chance one of seven pairs of GBK is
    # UTF-8. A page in the right one has a few, cut in the middle.
    num_broken = _num_broken(text)
    return not num_broken or 3 * num_broken <= len(text) - len(text.encode("ascii", "ignore"))


def _num_broken(text: str) -> int:
    return text.count(BROKEN)
