"""Canonical URLs: what changes, what must not, and what is no page."""

from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings, strategies as st

from crawler.links import urls
from crawler.links.dumps import read_lines
from crawler.links.urls import (
    NotAPageError,
    canonical_url,
    host_of,
    page_key,
    registrable_domain,
)


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        (" HTTP://EXAMPLE.com:80/A?b#part ", "http://example.com/A?b"),
        ("https://example.com:443", "https://example.com/"),
        ("https://example.com:8443/x", "https://example.com:8443/x"),
        ("http://example.com./x", "http://example.com/x"),
        ("http://example.com/a/../b/./c", "http://example.com/b/c"),
        ("http://example.com/%7euser/%41", "http://example.com/~user/A"),
        ("http://example.com..", "http://example.com/"),
        ("http://example.com:080/x", "http://example.com/x"),
        ("http://example.com:/x", "http://example.com/x"),
        ("http://example.com:443/x", "http://example.com:443/x"),  # not http's own
        ("http://example.com?", "http://example.com/"),
        ("http://example.com?a=1#b?c", "http://example.com/?a=1"),
        ("http://example.com\\a\\b", "http://example.com/a/b"),
        ("http://example.com/a/..", "http://example.com/"),
        ("http://example.com/../../a", "http://example.com/a"),
        ("http://example.com/a/%2e%2E/b", "http://example.com/b"),
        ("http://example.com/a%2fb%e9%C3%A9", "http://example.com/a%2Fb%E9%C3%A9"),
        ("http://example.com/a b", "http://example.com/a%20b"),
        ("http://example.com/x?&&a=1&", "http://example.com/x?a=1"),
        ("http://ex%41mple.com/", "http://example.com/"),
        ("http://m%C3%BCnchen.de/", "http://xn--mnchen-3ya.de/"),
        ("http://MÜNCHEN.de:80/", "http://xn--mnchen-3ya.de/"),
        ("https://straße.de/", "https://xn--strae-oqa.de/"),  # as browsers do it, not strasse
        ("http://例え。テスト/", "http://xn--r8jz45g.xn--zckzah/"),
        ("http://i❤.ws/", "http://xn--i-7iq.ws/"),
        ("http://\uff11\uff12\uff17.0.0.1/", "http://127.0.0.1/"),
        ("http://[0:0:0:0:0:0:0:1]/", "http://[::1]/"),
        ("http://a.com/" + "%41" * 1_900, "http://a.com/" + "A" * 1_900),  # 5,713 as written
        ("http://a.com/?UTM_Source=x&FbClid=y&id=1", "http://a.com/?id=1"),
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
        "http://a.com/?q=%2f%7e",  # some sites sign their query as it is written
        "http://a.com/?utm=1&gclid_x=2&my_utm_source=3",  # no trackers
        "http://a.com/a;jsessionid=1?b;c",
        "http://a.com/cat.jpg",
        "http://a_b.com/",
        "http://xn--a.com/",
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
        ("http://@a.com/", "bad_url"),
        ("http://user%40a.com/", "bad_url"),
        ("http://a.com%2Fb/", "bad_url"),
        ("http://a.com\uff0fb/", "bad_url"),  # a slash only after normalisation
        ("http://2130706433/", "bad_url"),
        ("http://0177.0.0.1/", "bad_url"),
        ("http://0x7f.0.0.1/", "bad_url"),
        ("http://0x7f000001/", "bad_url"),
        ("http://1.0x7f/", "bad_url"),
        ("http://127.1/", "bad_url"),
        ("http://-a.com/", "bad_url"),
        (f"http://{'a' * 64}.com/", "bad_url"),
        (f"http://{'a.' * 126}com/", "bad_url"),
        ("http://a.com:99999/", "bad_url"),
        ("http://a.com/" + "x" * 3000, "bad_url"),
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


@settings(max_examples=300)
@given(URL_PARTS, st.sampled_from(["http://Example.com", "https://a.co.uk:443/", "http://"]))
def test_the_canonical_form_is_its_own_canonical_form(rest: str, start: str):
    try:
        url = canonical_url(start + rest)
    except NotAPageError:
        return
    assert canonical_url(url) == url
    assert url.isascii()
    assert host_of(url)


def outcome(link: str) -> str:
    try:
        return canonical_url(link)
    except NotAPageError as exc:
        return exc.reason


def assert_short_cuts_change_nothing(links: list[str]) -> None:
    shortened = [outcome(link) for link in links]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(urls, "_is_clean", lambda link: False)
        for link, short in zip(links, shortened, strict=True):
            assert outcome(link) == short, link


LINKS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(
            ["http://a.com", "https://www.a-b.co.uk/x", "http://a.0x/", "http://a_b.c"]
        ),
        st.text(st.sampled_from([*map(chr, range(32, 127)), "\n", "é"]), max_size=4),
        URL_PARTS,
    ),
)


@settings(max_examples=300)
@given(LINKS)
def test_the_short_cuts_for_clean_links_change_no_result(link: str):
    assert_short_cuts_change_nothing([link])


def test_the_short_cuts_hold_for_every_character_and_escape():
    inserts = [*map(chr, range(300)), *(f"%{n:02X}" for n in range(256)), "%e9", "%c3%a9", "%2f"]
    frames = ["http://a.com/b%sc", "http://a.com/?b%sc", "http://a%sb.com/", "http://a.b%sc/"]
    assert_short_cuts_change_nothing([frame % insert for frame in frames for insert in inserts])


def real_links(real_data: Path) -> list[str]:
    dumps = [real_data / "reddit" / name for name in ("RS_2005-06.xz", "RS_2005-07.zst")]
    links = [orjson.loads(line).get("url") for dump in dumps for _, line in read_lines(dump)]
    return [link for link in links if link]


def test_the_short_cuts_hold_for_all_links_of_the_real_dumps(real_data: Path):
    links = real_links(real_data)
    assert len(links) == 1182
    assert_short_cuts_change_nothing(links)
    assert sum(outcome(link) in {"not_http", "bad_url"} for link in links) == 0


@pytest.mark.parametrize(
    "variant",
    [
        "http://example.com/a",
        "https://example.com/a",
        "http://www.example.com/a",
        "HTTPS://WWW.Example.com:443/a/#part",
        "http://example.com./a//",
        "http://example.com/%61?utm_source=x",
        "http://example.com/b/../a/",
    ],
)
def test_variants_of_an_address_are_one_page(variant: str):
    assert page_key(canonical_url(variant)) == "example.com/a"


@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("http://a.com/b", "http://a.com/B"),
        ("http://a.com/", "http://a.com/index.html"),
        ("http://a.com/b", "http://m.a.com/b"),
        ("http://a.com/b", "http://a.com:8080/b"),
        ("http://a.com/b?x=1&y=2", "http://a.com/b?y=2&x=1"),
        ("http://a.com/b%2Fc", "http://a.com/b/c"),
        ("http://a.com/b?c=%26", "http://a.com/b?c=&"),
        ("http://a.com/b?c=", "http://a.com/b?c"),
    ],
)
def test_what_servers_tell_apart_are_two_pages(url: str, other: str):
    assert page_key(url) != page_key(other)


@settings(max_examples=200)
@given(URL_PARTS, st.sampled_from(["example.com", "a.co.uk:8080", "127.0.0.1"]))
def test_every_variant_of_any_address_has_the_same_key(rest: str, host: str):
    try:
        url = canonical_url(f"http://{host}/{rest}")
    except NotAPageError:
        return
    path, mark, query = url.partition("?")
    variants = {url, f"{path}/{mark}{query}", canonical_url(f"https://{host}/{rest}")}
    if not host[0].isdigit():
        variants.add(canonical_url(f"http://www.{host}/{rest}"))
    keys = set(map(page_key, variants))
    assert len(keys) == 1
    assert page_key(f"http://{(key := keys.pop())}") == key


def test_the_real_dumps_hold_few_variants_of_one_page(real_data: Path):
    canonical = {canonical_url(link) for link in real_links(real_data)}
    assert (len(canonical), len({page_key(url) for url in canonical})) == (1181, 1178)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://a.com/b:c", "a.com"),
        ("https://www.a.com:8443/", "www.a.com"),
        ("http://[::1]:80/x", "::1"),
    ],
)
def test_the_host_is_without_port_and_brackets(url: str, host: str):
    assert host_of(url) == host


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
