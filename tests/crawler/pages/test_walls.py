"""Pages and what is served in place of them, told apart."""

import gzip
import json

import pytest
from hypothesis import given, settings, strategies as st

from crawler.pages.outcomes import Reason
from crawler.pages.walls import recognise
from tests.crawler.pages.wall_pages import WALL_PAGES

URL = "http://news.example/2014/a-story-with-a-name"


def titled(title: str, num_bytes: int = 0) -> bytes:
    body = f"<html><head><title>{title}</title></head><body><p>Some text.</p>"
    return body.encode().ljust(num_bytes, b".")


@pytest.mark.parametrize("name", WALL_PAGES)
def test_each_wall_is_recognised(name):
    reason, body = WALL_PAGES[name]
    assert (recognise(200, URL, URL, body.encode()) or ("page", ""))[0] == reason


def test_no_real_page_is_taken_for_a_wall(real_data):
    web = real_data / "web"
    truth = json.loads((web / "ground-truth.json").read_text())
    files = sorted((web / "html").glob("*.gz"))
    pages = {path: gzip.decompress(path.read_bytes()) for path in files}
    assert len(pages) == 181
    walls = {
        path.name: wall
        for path, body in pages.items()
        for url in [truth[path.name.partition(".")[0]]["url"]]
        if (wall := recognise(200, url, url, body))
    }
    assert walls == {}


@pytest.mark.parametrize(
    ("title", "reason"),
    [
        ("404 Not Found", "soft_404"),
        ("Error 404", "soft_404"),
        ("The Daily | Page Not Found", "soft_404"),
        ("Page not found (404)", "soft_404"),
        ("Seite nicht gefunden - Tagblatt", "soft_404"),
        ("Страница не найдена", "soft_404"),
        ("This page doesn\u2019t exist", "soft_404"),
        ("Attention Required! | Cloudflare", "bot_wall"),
        ("Pardon Our Interruption", "bot_wall"),
        ("Making sure you&#39;re not a bot!", "bot_wall"),
        ("Before you continue to YouTube", "cookie_wall"),
        ("some-name.com is for sale | HugeDomains", "parked"),
        ("Welcome to nginx!", "parked"),
    ],
)  # fmt: skip
def test_titles_of_walls(title, reason):
    assert (recognise(200, URL, URL, titled(title)) or ("page", ""))[0] == reason


@pytest.mark.parametrize(
    "title",
    [
        "404 Media",
        "How we built our 404 page",
        "Just a moment: the photograph that changed everything",
        "Access Denied: The Practice and Policy of Global Internet Filtering",
        "Malaysia Airlines plane not found - search goes on",
        "Are you a robot? The test that every start-up dreads | The Long Read",
        "Log in to your life: an essay",
        "Sign in - no password field here",
        "The captcha turns twenty - Example",
        "Before you continue, read this",
        "",
    ],
)
def test_titles_of_pages(title):
    assert recognise(200, URL, URL, titled(title)) is None


def test_an_article_may_be_called_what_a_wall_is_called():
    assert recognise(200, URL, URL, titled("Robot check", 5_000)) == ("bot_wall", "amazon")
    assert recognise(200, URL, URL, titled("Robot check", 200_000)) is None


@pytest.mark.parametrize(
    ("final_url", "reason"),
    [
        ("http://news.example/", "soft_404"),
        ("http://www.news.example/errors/404.html", "soft_404"),
        ("http://news.example/page-not-found", "soft_404"),
        ("https://news.example/users/sign_in?to=%2F2014", "login_wall"),
        ("https://accounts.example.com/v3/x", "login_wall"),
        ("https://consent.yahoo.com/v2/collectConsent?sessionId=1", "cookie_wall"),
        ("https://www.tumblr.com/privacy/consent?redirect=x", "cookie_wall"),
        ("https://www.hugedomains.com/domain_profile.cfm?d=news", "parked"),
        ("http://ww12.news.example/?z", "parked"),
        ("https://www.news.example/2014/a-story-with-a-name/", ""),
        ("https://other.example/", ""),
        ("http://news.example/story?login=1", ""),
        ("http://news.example/catalogin/", ""),
    ],
)
def test_where_a_redirect_leads_tells_walls(final_url, reason):
    assert (recognise(200, URL, final_url, titled("A story")) or ("", ""))[0] == reason


def test_a_link_to_such_an_address_is_no_redirect_to_it():
    assert recognise(200, "http://a.example/login", "https://a.example/login", titled("x")) is None
    assert recognise(200, "http://a.example/index.html", "http://a.example/", titled("x")) is None


def test_a_wall_with_an_error_status_is_named_but_not_found_is_then_no_news():
    cloudflare = WALL_PAGES["cloudflare"][1].encode()
    assert recognise(403, URL, URL, cloudflare) == ("bot_wall", "cloudflare")
    assert recognise(404, URL, URL, titled("Page not found")) is None


@settings(max_examples=50)
@given(st.binary(max_size=300), st.text(max_size=20))
def test_any_bytes_are_judged(body, path):
    reasons = {reason.code for reason in Reason}
    wall = recognise(200, URL, f"http://news.example/{path}", b"<title>" + body + b"</title>")
    assert wall is None or wall[0] in reasons
