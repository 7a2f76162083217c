import gzip
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given, settings, strategies as st

from crawler.encoding import BadEncodingError, BodyTooLargeError, decode_body

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
    @settings(max_examples=20, deadline=None)
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
