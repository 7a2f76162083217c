import gzip
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given, settings, strategies as st

from crawler.archive.encoding import (
    BadEncodingError,
    BodyTooLargeError,
    decode_body,
    foreign_type,
    is_blank,
)

MB = 1 << 20


def raw_deflate(body: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return encoder.compress(body) + encoder.flush()


ENCODERS = [
    ("gzip", gzip.compress),
    ("x-gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("br", brotli.compress),
    ("zstd", zstandard.compress),
]


@pytest.mark.parametrize(("name", "encode"), ENCODERS)
def test_each_accepted_encoding_is_undone(name, encode):
    @given(st.binary(max_size=5000))
    @settings(max_examples=20)
    def check(body):
        assert decode_body(encode(body), [name], MB) == body

    check()


@pytest.mark.parametrize(("name", "encode"), ENCODERS)
def test_a_bomb_stops_at_the_limit(name, encode):
    bomb = encode(b"\0" * 50 * MB)
    with pytest.raises(BodyTooLargeError):
        decode_body(bomb, [name], MB)


@pytest.mark.parametrize(("name", "encode"), ENCODERS)
def test_a_body_of_exactly_the_limit_is_not_too_large(name, encode):
    assert len(decode_body(encode(b"a" * 300_000), [name], 300_000)) == 300_000


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_a_body_in_no_such_encoding_is_an_error(name):
    with pytest.raises(BadEncodingError, match=name):
        decode_body(b"<html>plain after all</html>", [name], MB)


def test_encodings_are_undone_in_reverse_order():
    body = brotli.compress(gzip.compress(b"twice"))
    assert decode_body(body, ["gzip, br"], MB) == b"twice"
    assert decode_body(body, ["gzip", "BR"], MB) == b"twice"


def test_gzip_members_end_to_end_are_one_body_and_what_follows_them_is_ignored():
    body = gzip.compress(b"one ") + gzip.compress(b"two") + b"\0\0 trailing"
    assert decode_body(body, ["gzip"], MB) == b"one two"


def test_a_cut_gzip_body_gives_what_there_is():
    whole = gzip.compress(bytes(range(256)) * 100)
    assert decode_body(whole[: len(whole) // 2], ["gzip"], MB).startswith(bytes(range(100)))


def test_an_unknown_encoding_leaves_the_body_as_it_is():
    assert decode_body(b"body", ["utf-8"], MB) == b"body"


def test_empty_and_identity_encodings_are_none():
    assert decode_body(gzip.compress(b"body"), ["identity, gzip,, ", ""], MB) == b"body"


def test_a_long_chain_of_encodings_is_not_tried():
    with pytest.raises(BadEncodingError, match="99 encodings"):
        decode_body(b"body", ["gzip," * 99], MB)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"%PDF-1.7\n", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n\0\0", "image/png"),
        (b"PK\x03\x04\x14\0", "application/zip"),
        (gzip.compress(b"<html>", mtime=0), "application/gzip"),
        (b"\x01\x02\x03" * 99, "application/octet-stream"),
    ],
)
def test_a_body_that_is_no_text_is_known_by_its_first_bytes(body, kind):
    assert foreign_type(body) == kind


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><html>",
        b"plain text",
        b"",
        "<p>gr\u00fcn \u7dd1</p>".encode(),
        "\ufeff<p>with a mark</p>".encode(),
        "<p>gr\u00fcn</p>".encode("latin-1"),
        "<p>\u7dd1</p>".encode("shift-jis"),
        "<p>with a mark</p>".encode("utf-16"),
        "<p>Western, without a mark</p>".encode("utf-16-le"),
        "<p>Western, without a mark</p>".encode("utf-16-be"),
        "<p>\u7dd1</p>".encode("iso-2022-jp"),
    ],
)
def test_text_is_text_in_any_charset(body):
    assert foreign_type(body) == ""


@given(st.text(min_size=1), st.sampled_from(["utf-8", "utf-16"]))
@settings(max_examples=50)
def test_pages_are_text_whatever_they_say(text, charset):
    printable = "".join(each for each in text if each.isprintable())
    page = f"<!DOCTYPE html><p>{printable}</p>".encode(charset, "replace")
    assert foreign_type(page) == ""
    assert not is_blank(page)


def test_white_space_and_zeros_are_blank():
    assert is_blank(b"")
    assert is_blank(b"\r\n\t \0" * 5_000)
    assert not is_blank(b" " * 5_000 + b"x")
