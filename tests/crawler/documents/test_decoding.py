"""Bytes become the text that their author wrote, whatever was declared."""

# ruff: noqa: RUF001 - the ambiguous characters are what is tested

import pytest
from hypothesis import given, settings, strategies as st

from crawler.documents.decoding import BROKEN, decode, is_binary, is_garbled

CHINESE = "今天天气很好，我们去公园散步。孩子们在草地上玩耍，老人们在树下下棋。"
JAPANESE = "今日は天気が良いので、公園を散歩しました。子供たちは芝生の上で遊んでいました。"
RUSSIAN = "Сегодня хорошая погода, и мы пошли гулять в парк. Дети играли на траве."
FRENCH = "L’été à Paris, déjà vu : où est le garçon “très élégant”, près de la forêt ?"
ENGLISH = "“It’s quiet here,” he said — and it was. The café was closed."
NO_CHARSET = "text/html"


def page(text: str, encoding: str, meta: str = "") -> bytes:
    html = f"<html><head>{meta}<title>t</title></head><body><p>{text}</p></body></html>"
    return html.encode(encoding)


def meta(label: str) -> str:
    return f"<meta charset='{label}'>"


@pytest.mark.parametrize(
    ("text", "encoding", "content_type", "label"),
    [
        # As declared, by the server or by the page.
        (CHINESE, "gb18030", "text/html; charset=GBK", ""),
        (CHINESE, "gb18030", NO_CHARSET, "gb2312"),
        (JAPANESE, "cp932", "text/html;charset=Shift_JIS", ""),
        (JAPANESE, "euc_jp", NO_CHARSET, "euc-jp"),
        (JAPANESE, "iso2022_jp", "text/html; charset=iso-2022-jp", ""),
        (RUSSIAN, "koi8-r", "text/html; charset=koi8-r", ""),
        (RUSSIAN, "cp1251", NO_CHARSET, "windows-1251"),
        # Browsers read latin-1 and ASCII as windows-1252: its quotes are what authors meant.
        (FRENCH, "cp1252", "text/html; charset=iso-8859-1", ""),
        (ENGLISH, "cp1252", NO_CHARSET, "us-ascii"),
        # The server's word goes before the page's.
        (RUSSIAN, "koi8-r", "text/html; charset=koi8-r", "windows-1251"),
        # UTF-8 is UTF-8 whatever was declared, and a server's default does not make UTF-8.
        (CHINESE, "utf-8", "text/html; charset=iso-8859-1", "gbk"),
        (CHINESE, "gb18030", "text/html; charset=utf-8", "gb2312"),
        (ENGLISH, "cp1252", "text/html; charset=utf-8", "utf-8"),
        # Marks and shapes say more than any declaration.
        (FRENCH, "utf-8-sig", "text/html; charset=latin-1", ""),
        (CHINESE, "utf-16", "text/html; charset=latin-1", ""),
        (ENGLISH, "utf-16-le", NO_CHARSET, ""),
        (ENGLISH, "utf-16-be", NO_CHARSET, "utf-8"),
        (ENGLISH, "utf-8", "text/html; charset=utf-16", ""),
        # Not declared, or by no known name: guessed.
        (CHINESE, "gb18030", NO_CHARSET, ""),
        (JAPANESE, "cp932", NO_CHARSET, ""),
        (RUSSIAN, "koi8-r", NO_CHARSET, ""),
        (RUSSIAN, "cp1251", "text/html; charset=nonsense", "also-nonsense"),
        (FRENCH, "cp1252", NO_CHARSET, ""),
        (ENGLISH, "cp1252", "text/html; charset=x-user-defined", "x-user-defined"),
        # No encodings of the web, though Python knows them.
        (ENGLISH, "cp1252", "text/html; charset=base64", "utf-7"),
        (FRENCH, "cp1252", "text/html; charset=unicode_escape", "punycode"),
    ],
)
def test_a_page_is_read_as_its_author_wrote_it(text, encoding, content_type, label):
    assert text in decode(page(text, encoding, meta(label) if label else ""), content_type)


def test_utf_16_without_a_mark_is_little_endian_where_the_server_declares_it():
    assert decode(CHINESE.encode("utf-16-le"), "text/plain; charset=utf-16") == CHINESE
    assert decode(CHINESE.encode("utf-16-be"), "text/plain; charset=utf-16be") == CHINESE


def test_a_long_line_in_a_guessed_encoding_is_not_cut_in_a_character():
    for shift in ("", "x"):
        line = shift + CHINESE * 300
        assert decode(f"<p>{line}".encode("gb18030"), NO_CHARSET) == f"<p>{line}"


@pytest.mark.parametrize("declared", [NO_CHARSET, "text/html; charset=utf-8"])
def test_broken_bytes_cost_themselves_and_not_the_page(declared):
    broken = page(FRENCH, "utf-8").replace("forêt".encode(), b"for\xeat")
    text = decode(broken, declared)
    assert FRENCH.replace("ê", BROKEN, 2).split("for")[0] in text
    assert f"for{BROKEN}t" in text
    assert not is_garbled(text)


def test_what_windows_1252_does_not_know_prints_nothing():
    assert decode(b"d\xe9j\x81\xe0 vu\x9d", "text/html; charset=latin-1") == "déjà vu"


def test_text_that_is_mostly_broken_is_garbled():
    noise = bytes(range(0x80, 0x100)) * 20
    assert is_garbled(decode(b"<p>" + noise, "text/html; charset=utf-8"))
    assert not is_garbled("")
    assert not is_garbled(FRENCH + BROKEN)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "gb18030", "iso2022_jp"])
def test_text_in_any_encoding_is_not_binary(encoding):
    assert not is_binary(page(JAPANESE, encoding))
    assert not is_binary(page(f"{JAPANESE}\0\x01", encoding))


def test_what_is_compressed_is_binary():
    png = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x01\x00\x00\x00\x01\x00\x08\x06\x00\x00\x00"
    assert is_binary(png)
    assert is_binary(bytes(range(256)) * 100)
    assert not is_binary(b"")


# Whatever comes first in a page: marks, declarations, tags, escapes, halves of characters.
PIECES = st.sampled_from(
    [
        *(b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\x1b$B", b"<", b">", b"\0", b"\0\0"),
        *(b"<meta charset=utf-16>", b"<meta charset=gbk>", b"<meta charset=unicode_escape>"),
        *(b"\\ud800", b"\xed\xa0\x80", b"\x81", b"\xc3", b"text", "été 天气".encode()),
    ]
)  # fmt: skip
CHARSETS = [
    "",
    "utf-8",
    "utf-16",
    "gbk",
    "euc-kr",
    "big5",
    "iso-2022-jp",
    "punycode",
    "hex",
    "\ud800",
]


@settings(max_examples=300)
@given(
    st.lists(st.one_of(PIECES, st.binary(max_size=20)), max_size=30).map(b"".join),
    st.sampled_from(CHARSETS),
)
def test_no_bytes_are_beyond_decoding(body: bytes, charset: str):
    text = decode(body, f"text/html; charset={charset}")
    text.encode()  # no lone surrogates
    assert len(text) <= len(body)
    assert is_binary(body) in {True, False}


@settings(max_examples=100)
@given(st.text(st.characters(exclude_characters="\0\x1b\ufeff", codec="utf-8")))
def test_utf_8_always_comes_back(text: str):
    assert decode(text.encode(), "text/html; charset=gbk") == text
