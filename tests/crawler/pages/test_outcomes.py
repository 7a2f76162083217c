"""The outcome of an answer or an error; the hostile web covers them on the wire."""

import pytest
from scrapy import Request
from scrapy.exceptions import CannotResolveHostError
from scrapy.http import Response, TextResponse

from crawler.pages.outcomes import Reason, of_error, of_response
from crawler.pages.robots import RobotsUnreachableError
from crawler.pages.safety import SafeResolver

URL = "http://news.example/2014/a-story"
HTML = ("text/html",)


def answer(body: bytes = b"<p>text</p>", status: int = 200, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return TextResponse(URL, status, named, body, request=Request(URL), encoding="utf-8")


def test_each_reason_has_a_code_of_its_own_and_a_meaning():
    codes = [reason.code for reason in Reason]
    assert len(set(codes)) == len(codes) == len(Reason)
    assert all(reason.meaning.endswith(".") for reason in Reason)


def test_an_opt_out_is_recorded_whether_it_is_obeyed_or_not():
    page = answer(X_Robots_Tag="noai")
    assert of_response(page, HTML) == ("opt_out", "X-Robots-Tag: noai")
    kept = of_response(page, HTML, obey_opt_outs=False)
    assert kept == ("fetched", "opt_out: X-Robots-Tag: noai")


@pytest.mark.parametrize(
    ("body", "headers", "outcome"),
    [
        (b"<p>text</p>", {}, "fetched"),
        (b"<p>text</p>", {"Content_Type": "TEXT/HTML; charset=x"}, "fetched"),
        (b"%PDF-1.4", {}, "not_html"),
        (b"%PDF-1.4", {"Content_Type": "text/html"}, "not_html"),
        (b"{}", {"Content_Type": "application/json"}, "not_html"),
        (b" \n", {}, "empty"),
        (b"<title>Page not found</title>", {}, "soft_404"),
    ],
)
def test_a_body_without_a_type_is_what_its_bytes_say(body, headers, outcome):
    assert of_response(answer(body, **headers), HTML)[0] == outcome


@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        (404, {}, ("http_404", "")),
        (302, {}, ("bad_redirect", "no location")),
        (302, {"Location": "ftp://a.example/"}, ("bad_redirect", "ftp")),
        (304, {"Location": "http://a.example/"}, ("http_304", "")),
        (0, {}, ("bad_response", "status_line")),
        (70_000, {}, ("bad_response", "status_line")),
    ],
)
def test_another_status_is_the_outcome(status, headers, outcome):
    assert of_response(answer(status=status, **headers), HTML) == outcome


def test_a_name_that_was_refused_is_private_and_one_without_an_address_is_not():
    SafeResolver.refused["inside.example"] = None
    error = CannotResolveHostError("no results")
    assert of_error(error, "inside.example") == ("private_address", "inside.example")
    assert of_error(error, "nowhere.example") == ("dns_error", "nowhere.example")
    at_robots = RobotsUnreachableError("robots.txt")
    at_robots.__cause__ = error
    assert of_error(at_robots, "inside.example") == ("private_address", "inside.example")
    assert of_error(at_robots, "nowhere.example")[0] == "dns_error"


def test_an_unknown_error_is_worth_a_bug_report():
    assert of_error(ZeroDivisionError(), "a.example") == ("crawl_error", "ZeroDivisionError")
