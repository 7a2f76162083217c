"""How pages and hosts say that they are not for text and data mining."""

import orjson
import pytest
from hypothesis import given, settings, strategies as st

from crawler.pages.opt_outs import (
    TdmRules,
    header_opt_out,
    meta_opt_out,
    opt_out_of,
    parse_tdm_file,
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Robots-Tag", "noai"),
        ("x-robots-tag", "NoIndex, NOAI"),
        ("X-Robots-Tag", "webtext: noai"),
        ("X-Robots-Tag", "googlebot: noindex, webtext: nofollow, noai"),
        ("X-Robots-Tag", "max-snippet: 20, noai"),
        ("tdm-reservation", "1"),
        ("TDM-Reservation", " 1 "),
    ],
)
def test_headers_that_opt_out(name, value):
    assert header_opt_out([("Server", "x"), (name, value)])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Robots-Tag", "noindex"),
        ("X-Robots-Tag", "none"),
        ("X-Robots-Tag", "noimageai"),
        ("X-Robots-Tag", "googlebot: noai"),
        ("X-Robots-Tag", "googlebot: noindex, noai"),
        ("X-Robots-Tag", "unavailable_after: 25 Jun 2010 15:00:00 PST"),
        ("tdm-reservation", "0"),
        ("X-Other", "noai"),
    ],
)
def test_headers_that_do_not(name, value):
    assert header_opt_out([(name, value)]) == ""


@pytest.mark.parametrize(
    "tag",
    [
        '<meta name="robots" content="noai">',
        "<META CONTENT='noindex, NOAI' NAME='Robots' />",
        "<meta name=webtext content=noai>",
        '<meta name="tdm-reservation" content="1">',
    ],
)
def test_meta_tags_that_opt_out(tag):
    assert meta_opt_out(f"<html><head><title>x</title>{tag}</head>".encode())


@pytest.mark.parametrize(
    "html",
    [
        '<head><meta name="robots" content="noindex, noimageai, none"></head>',
        '<head><meta name="googlebot" content="noai"></head>',
        '<head><meta name="description" content="what noai means"></head>',
        '<head><meta name="tdm-reservation" content="0"></head>',
        '<head><!-- <meta name="robots" content="noai"> --></head>',
        '<head></head><body>write <meta name="robots" content="noai"> to opt out</body>',
        "<p>" + "x" * 70_000 + '<meta name="robots" content="noai">',
        "",
    ],
)
def test_what_is_no_opt_out_in_a_page(html):
    assert meta_opt_out(html.encode()) == ""


def test_an_opt_out_names_its_signal():
    page = b'<head><meta name="robots" content="noai"></head>'
    assert opt_out_of([], page) == "meta robots: noai"
    assert opt_out_of([("X-Robots-Tag", "noai")], page) == "X-Robots-Tag: noai"
    assert opt_out_of([("tdm-reservation", "1")], b"") == "header tdm-reservation: 1"


def rules(*entries: tuple[str, object]) -> TdmRules:
    listed = [{"location": pattern, "tdm-reservation": value} for pattern, value in entries]
    return parse_tdm_file(orjson.dumps(listed))


def test_the_longest_pattern_of_a_tdm_file_decides():
    file = rules(("/", 1), ("/open/", 0), ("/open/*/private", 1), ("/*.pdf$", 1))
    reserved = {
        path: file.reserves(f"https://a.example{path}")
        for path in ("", "/x", "/open/x", "/open/x/private", "/open", "/open/a.pdf?x")
    }
    assert reserved == {
        "": True,
        "/x": True,
        "/open/x": False,
        "/open/x/private": True,
        "/open": True,
        "/open/a.pdf?x": False,
    }


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/a*", "/abc", True),
        ("/a$", "/a", True),
        ("/a$", "/ab", False),
        ("/*.html$", "/x/y.html", True),
        ("/*.html$", "/x.html/y", False),
        ("/*a*a$", "/a", False),
        ("*/b/*", "/a/b/c", True),
        ("/a?b=*", "/a?b=1", True),
        ("", "/anything", True),
    ],
)
def test_patterns_match_as_in_robots_txt(pattern, path, matches):
    assert rules((pattern, 1)).reserves(f"http://a.example{path}") == matches


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}", b"[1, null, {}]", b'[{"location": 7}]', b"[" * 100_000, b"\xff\xfe"],
)
def test_a_file_that_cannot_be_read_reserves_nothing(body):
    assert not parse_tdm_file(body).reserves("http://a.example/x")


def test_a_pattern_made_to_take_for_ever_does_not():
    path = "/" + "a" * 2_000
    assert not rules(("/" + "*a" * 500 + "*b$", 1)).reserves(f"http://a.example{path}")


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_any_bytes_are_judged(body):
    head = b'<head><meta name="robots" noai content=' + body
    assert meta_opt_out(head) in {"", "meta robots: noai"}
    assert parse_tdm_file(body).rules is not None
