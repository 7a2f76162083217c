"""Canonical URLs: what changes, what must not, and what is no page."""

import pytest
from hypothesis import given, settings, strategies as st

from crawler.urls import NotAPageError, canonical_url, host_of, is_under, registrable_domain


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        (" HTTP://EXAMPLE.com:80/A?b#part ", "http://example.com/A?b"),
        ("https://example.com:443", "https://example.com/"),
        ("https://example.com:8443/x", "https://example.com:8443/x"),
        ("http://example.com./x", "http://example.com/x"),
        ("http://example.com/a/../b/./c", "http://example.com/b/c"),
        ("http://example.com/%7euser/%41", "http://example.com/~user/A"),
        ("http://münchen.de/straße?q=ü", "http://xn--mnchen-3ya.de/stra%C3%9Fe?q=%C3%BC"),
        ("http://nytimes.com/a?ex=1&amp;en=2&amp;amp;ei=3", "http://nytimes.com/a?ex=1&en=2&ei=3"),
        ("http://a.com/?utm_source=x&id=1&fbclid=y&utm_medium=z", "http://a.com/?id=1"),
        ("http://[::1]:80/x", "http://[::1]/x"),
    ],
)
def test_what_no_server_sees_is_made_uniform(link: str, expected: str):
    assert canonical_url(link) == expected


@pytest.mark.parametrize(
    "url",
    [
        "http://a.com/?b=2&a=1",  # order
        "http://a.com/forum?12345",  # a value without a key
        "http://a.com/?dist=&id=1",  # an empty value
        "http://a.com/?q=node/8320",
        "http://a.com/x?a=1;b=2",
        "http://a.com//double//slash/",
        "http://a.com/print.story?coll=la-home",
        "http://a.com/?copy=1&reg=2",  # names of HTML entities
        "http://a.com/?game=1&ref=2&id=3",
        "http://github.com/mrdoob/three.js",
        "http://a.com/go?u=http://b.com/x.jpg",
        "http://web.archive.org/web/2005/http://b.com/",
    ],
)
def test_what_a_server_may_depend_on_is_left_alone(url: str):
    assert canonical_url(url) == url


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("ftp://example.com/x", "not_http"),
        ("/r/programming/comments/1", "not_http"),
        ("javascript:alert(1)", "not_http"),
        ("", "not_http"),
        ("http://", "bad_url"),
        ("http://localhost/x", "bad_url"),
        ("http://a..com/", "bad_url"),
        ("http://a.com:port/", "bad_url"),
        ("http://[::1/", "bad_url"),
        ("http://user:secret@a.com/", "bad_url"),
        ("http://1.2.3.999/", "bad_url"),
        ("http://a.com/" + "x" * 3000, "bad_url"),
        ("http://a.com/cat.JPG?size=1", "media"),
        ("https://a.com/paper.pdf", "media"),
    ],
)
def test_what_is_no_page_says_why(link: str, reason: str):
    with pytest.raises(NotAPageError) as caught:
        canonical_url(link)
    assert caught.value.reason == reason


URL_PARTS = st.lists(
    st.sampled_from(
        [*"/?&=#%.;:@ \\\"'<>[]{}|^~+é", "%2", "%25", "%41", "&amp;", "&#38;", "utm_a=1", "..", "A"]
    )
    | st.text(max_size=3),
    max_size=12,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(URL_PARTS, st.sampled_from(["http://Example.com", "https://a.co.uk:443/", "http://"]))
def test_the_canonical_form_is_its_own_canonical_form(rest: str, start: str):
    try:
        url = canonical_url(start + rest)
    except NotAPageError:
        return
    assert canonical_url(url) == url
    assert url.isascii()
    assert host_of(url)


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("news.bbc.co.uk", "bbc.co.uk"),
        ("someone.blogspot.com", "blogspot.com"),
        ("prefect.example", "prefect.example"),
        ("docs.prefect.example", "prefect.example"),
        ("co.uk", "co.uk"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
    ],
)
def test_the_registrable_domain_is_what_somebody_registered(host: str, domain: str):
    assert registrable_domain(host) == domain


def test_a_domain_holds_its_sub_domains_but_not_its_namesakes():
    assert is_under("en.wikipedia.org", "wikipedia.org")
    assert is_under("wikipedia.org", "wikipedia.org")
    assert not is_under("notwikipedia.org", "wikipedia.org")
