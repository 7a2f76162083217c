"""Which addresses and subreddits are left out: presets, the recipe's own, and the takedown list."""

from pathlib import Path

import pytest

from corpus.errors import UsageError, WebtextError
from crawler.links import rules
from crawler.links.rules import Rules, RulesConfig
from crawler.links.urls import canonical_url, registrable_domain

WEBTEXT = Rules(RulesConfig())
OPENWEBTEXT = Rules(RulesConfig(preset="openwebtext"))


def reason(rules: Rules, url: str) -> str | None:
    rejection = rules.reject_url(canonical_url(url))
    return rejection and rejection.reason


def entries(name: str) -> list[str]:
    lines = (Path(rules.__file__).parent / "lists" / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize(
    ("url", "webtext", "openwebtext"),
    [
        ("http://en.wikipedia.org/wiki/Web", "excluded_domain", "excluded_domain"),
        ("http://zh-min-nan.m.wikipedia.org/", "excluded_domain", "excluded_domain"),
        ("http://en.wiktionary.org/wiki/web", None, None),
        ("http://wiki2.org/en/Web", "excluded_domain", None),
        ("https://youtu.be/x", "excluded_domain", "excluded_domain"),
        ("http://i.imgur.com/x", "excluded_domain", "excluded_domain"),
        ("https://mobile.twitter.com/x", "excluded_domain", "excluded_domain"),
        ("http://someone.tumblr.com/post/1", "excluded_domain", "excluded_domain"),
        ("http://notimgur.com/", None, None),
        ("http://imgur.com.example.org/", None, None),
        ("https://docs.google.com/document/x", None, "excluded_domain"),
        ("https://news.google.co.uk/x", None, "excluded_domain"),
        ("http://github.com/a/b", None, "excluded_domain"),
        ("http://www.ebay.de/itm/1", None, "excluded_domain"),
        ("http://google.example.org/", None, None),
        ("http://xkcd.com/1/", None, "excluded_domain"),
        ("http://www.nytimes.com/a", None, None),
        ("http://127.0.0.1/x", None, None),
    ],
)
def test_a_preset_decides_by_domain(url: str, webtext: str | None, openwebtext: str | None):
    assert (reason(WEBTEXT, url), reason(OPENWEBTEXT, url)) == (webtext, openwebtext)


@pytest.mark.parametrize(
    ("url", "webtext", "openwebtext"),
    [
        ("http://a.com/cat.JPG?size=1", "media", "media"),
        ("http://a.com/b/paper.pdf", "media", "media"),
        ("http://a.com/notes.txt", None, "media"),
        ("http://a.com/mrdoob/three.js", None, "media"),
        ("http://a.com/print.story", None, None),
        ("http://a.com/go?u=http://b.com/x.jpg", None, None),
        ("http://a.com/x.jpg/about", None, None),
        ("http://a.com/jpg", None, None),
        ("http://a.zip/", None, None),
    ],
)
def test_a_preset_decides_by_the_end_of_the_path(
    url: str, webtext: str | None, openwebtext: str | None
):
    assert (reason(WEBTEXT, url), reason(OPENWEBTEXT, url)) == (webtext, openwebtext)


@pytest.mark.parametrize(
    "url", ["http://reddit.com/", "https://old.reddit.com/r/x", "http://redd.it/abc"]
)
def test_a_link_back_to_reddit_is_none(url: str):
    assert reason(WEBTEXT, url) == reason(OPENWEBTEXT, url) == "reddit_link"


# "Twitch" with a capital slipped through OpenAI's own filter: lists/webtext-domains.txt.
IN_BOTH = {"twitch"}


def published_names(real_data: Path) -> set[str]:
    lines = (real_data / "reddit" / "webtext_top_domains.txt").read_text().splitlines()
    return {line.partition(" ")[2].strip().lower() for line in lines} - {""}


def test_the_webtext_preset_keeps_what_openai_published_as_kept(real_data: Path):
    names = published_names(real_data)
    assert len(names) > 990
    ours = {registrable_domain(entry).split(".")[0] for entry in entries("webtext-domains.txt")}
    assert ours & names == IN_BOTH
    for name in names - IN_BOTH:
        assert reason(WEBTEXT, f"http://www.{name}.com/a") is None


def test_the_openwebtext_preset_drops_much_of_what_openai_kept(real_data: Path):
    dropped = {
        name
        for name in published_names(real_data)
        if reason(OPENWEBTEXT, f"http://{name}.com/") is not None
    }
    assert {"google", "github", "ebay", "walmart", "pinterest", "rollingstone"} < dropped
    assert len(dropped) < 20


@pytest.mark.parametrize("preset", ["webtext", "openwebtext"])
def test_the_lists_are_clean(preset: str):
    for kind in ("domains", "extensions", "subreddits"):
        listed = entries(f"{preset}-{kind}.txt")
        assert len(listed) == len(set(listed))
        assert all(entry == entry.strip().lower() for entry in listed)
    for domain in entries(f"{preset}-domains.txt"):
        host = domain.removesuffix("*") + ("com" if domain.endswith("*") else "")
        assert canonical_url(f"http://{host}/") == f"http://{host}/"
        assert registrable_domain(host) == host


def test_a_preset_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rules, "_LISTS", tmp_path)
    with pytest.raises(WebtextError, match="webtext-"):
        Rules(RulesConfig())


def test_the_recipe_adds_domains_and_subreddits():
    config = RulesConfig(
        excluded_domains=("Example.ORG", "münchen.de", "shop.*"), blocked_subreddits=("R/Cats",)
    )
    rules = Rules(config)
    for url in ("http://a.example.org/", "http://xn--mnchen-3ya.de/x", "http://www.shop.co.uk/"):
        assert reason(rules, url) == "excluded_domain"
    assert reason(rules, "http://shop.example.com/") is None
    assert reason(rules, "http://en.wikipedia.org/") == "excluded_domain"  # the preset stays
    assert rules.reject_subreddit("cats") == rules.reject_subreddit("CATS") is not None


@pytest.mark.parametrize(
    "domain", ["http://a.com", "a.com/b", "a.com:80", "com", "*.a.com", "a b.com", "", ".*"]
)
def test_an_excluded_domain_that_is_none_is_an_error(domain: str):
    with pytest.raises(UsageError, match="excluded_domains"):
        Rules(RulesConfig(excluded_domains=(domain,)))


def test_subreddits_are_blocked_in_any_case_of_letters():
    assert WEBTEXT.reject_subreddit("FatPeopleHate") is not None
    assert WEBTEXT.reject_subreddit("science") is None
    assert WEBTEXT.reject_subreddit("") is None
    assert OPENWEBTEXT.reject_subreddit("fatpeoplehate") is None


TAKEDOWN = """\
\ufeff# who asked, and when
example.org          # a domain
WWW.Example.net
https://a.com/b?c=1  # a page
https://a.com/d#e
http://a.com/list/*
http://a.com/forum?t=1*
https://whole.a.com/*
www.com
www.blog.example.edu
"""


@pytest.fixture(scope="module")
def with_takedown(tmp_path_factory: pytest.TempPathFactory) -> Rules:
    path = tmp_path_factory.mktemp("lists") / "takedown.txt"
    path.write_text(TAKEDOWN, encoding="utf-8")
    return Rules(RulesConfig(), path)


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("http://example.org/", 2),
        ("https://a.b.example.org:8080/x.jpg", 2),
        ("http://example.net/x", 3),
        ("http://a.com/b?c=1", 4),
        ("http://www.a.com/b/?c=1&utm_source=x", 4),
        ("http://a.com/d/", 5),
        ("https://www.a.com/list/x/y", 6),
        ("http://a.com/list", 6),
        ("http://a.com/list?page=2", 6),
        ("http://a.com/forum/?t=12", 7),
        ("http://whole.a.com/", 8),
        ("http://whole.a.com/x?y", 8),
        ("http://a.com/b", None),
        ("http://a.com/b?c=12", None),
        ("http://a.com/listing", None),
        ("http://a.com/forum?t=2", None),
        ("http://www.com/", 9),
        ("http://blog.example.edu/x", 10),
        ("http://example.edu/x", None),
        ("http://other.com/", None),
        ("http://not-example.org/", None),
        ("http://sub.whole.a.com/", None),
    ],
)
def test_what_is_taken_down_names_the_line(with_takedown: Rules, url: str, line: int | None):
    rejection = with_takedown.reject_url(canonical_url(url))
    expected = None if line is None else ("takedown", f"takedown.txt:{line}")
    assert expected == (rejection and (rejection.reason, rejection.detail))


@pytest.mark.parametrize(
    "line",
    [
        "example",
        "example.org/a",
        "example.org:80",
        "ftp://example.org/",
        "https://exa*",
        "https://example.org*",
        "https://example.org/a?*",
        "http://user@example.org/",
        "two words",
        "*",
    ],
)
def test_a_bad_line_of_the_takedown_list_is_named(tmp_path: Path, line: str):
    path = tmp_path / "takedown.txt"
    path.write_text(f"# first\n{line}\n")
    with pytest.raises(UsageError, match=r"takedown\.txt:2: "):
        Rules(RulesConfig(), path)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_takedown_list_that_cannot_be_read_is_an_error(tmp_path: Path, content: bytes | None):
    path = tmp_path / "takedown.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match="takedown"):
        Rules(RulesConfig(), path)
