"""Reddit's API through PRAW itself, against a server that limits, fails and refuses as it does."""

import logging
import time
from collections.abc import Iterator
from contextlib import closing
from email.utils import formatdate
from importlib.metadata import version
from pathlib import Path

import praw.config
import pytest
from prawcore.sessions import FiniteRetryStrategy

from corpus.errors import UsageError, WebtextError
from crawler.reddit.api import RedditApi, UnreadableSubredditError
from tests.crawler.reddit.reddit_stub import (
    CLIENT_SECRET,
    CUT,
    HTML,
    RESET,
    TOKEN_PATH,
    Fault,
    RedditStub,
    point_praw_to,
    serve_reddit,
)
from tests.crawler.reddit.t3_things import every_kind, link

NEW = "/r/all/new"
ALL_BUT_THE_LAST_TRY = 5


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedditStub]:
    monkeypatch.chdir(tmp_path)
    with serve_reddit() as reddit:
        reddit.add(*(link(f"b{n:03}", created_utc=1_700_000_000.0 + n) for n in range(250)))
        point_praw_to(reddit, monkeypatch, tmp_path / "config")
        yield reddit


@pytest.fixture
def waits() -> list[float]:
    """The seconds that the client would have waited."""
    return []


@pytest.fixture
def api(stub: RedditStub, waits: list[float]) -> Iterator[RedditApi]:
    with closing(RedditApi("u/tester", sleep=waits.append)) as client:
        yield client


def read(api: RedditApi, limit: int = 1_000, subreddit: str = "all") -> list[str]:
    pages = api.pages(subreddit, "new", limit)
    return [submission["id"] for page in pages for submission in page]


def test_a_submission_is_what_the_api_sent_field_by_field(stub: RedditStub, api: RedditApi):
    kinds = every_kind(created_utc=1_800_000_000.0)
    stub.add(*kinds)
    page = next(api.pages("all", "new", 100))
    sent = {thing["id"]: thing for thing in kinds}
    assert {each["id"]: each for each in page if each["id"] in sent} == sent
    assert {each["id"]: each for each in api.by_id(list(sent))} == sent


def test_a_listing_is_read_to_its_end_page_by_page(stub: RedditStub, api: RedditApi):
    assert read(api) == [f"b{n:03}" for n in reversed(range(250))]
    assert stub.paths() == [NEW] * 3


def test_a_listing_is_read_no_further_than_its_limit(stub: RedditStub, api: RedditApi):
    assert len(read(api, limit=130)) == 130
    assert [asked.params["limit"] for asked in stub.asked if asked.path == NEW] == ["100", "30"]


def test_the_api_shows_a_thousand_of_a_listing(stub: RedditStub, api: RedditApi):
    stub.add(*(link(f"c{n:04}", created_utc=1_710_000_000.0 + n) for n in range(1_100)))
    assert len(set(read(api))) == 1_000
    assert len(stub.paths()) == 10


def test_an_empty_listing_is_no_error(stub: RedditStub, api: RedditApi):
    assert read(api, subreddit="quiet") == []


def test_top_is_that_of_the_last_day(stub: RedditStub, api: RedditApi):
    stub.listings["all/top"] = ["b007", "b005"]
    (page,) = api.pages("all", "top", 100)
    assert [each["id"] for each in page] == ["b007", "b005"]
    assert stub.asked[-1].params["t"] == "day"


def test_submissions_that_are_gone_are_not_returned(stub: RedditStub, api: RedditApi):
    del stub.submissions["b001"]
    assert [each["id"] for each in api.by_id(["b000", "b001", "b002"])] == ["b000", "b002"]
    assert stub.paths() == ["/api/info/"]


def test_the_user_agent_is_of_the_form_that_reddit_asks_for(stub: RedditStub, api: RedditApi):
    read(api, limit=1)
    agents = {asked.user_agent for asked in stub.asked}
    assert {agent.split(" PRAW/")[0] for agent in agents} == {
        f"python:webtext:{version('webtext')} (by u/tester)"
    }


def test_the_pace_that_the_headers_ask_for_is_kept(stub: RedditStub, api: RedditApi):
    stub.window_requests = 2
    assert len(read(api)) == 250
    assert {asked.status for asked in stub.asked} == {200}, "asked faster than allowed"


LIMITS = {"x-ratelimit-remaining": "0", "x-ratelimit-used": "100", "x-ratelimit-reset": "42"}


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [({"retry-after": "7"}, 7), (LIMITS, 42), ({"retry-after": "soon"}, 1), ({}, 1)],
)
def test_too_many_requests_are_waited_for_as_long_as_asked(
    stub: RedditStub, api: RedditApi, waits: list[float], headers: dict[str, str], wait_s: float
):
    stub.fail(NEW, Fault(429, headers, body=b"whoa there"))
    assert len(read(api)) == 250
    assert waits == [wait_s]
    assert api.traffic.waited_s == wait_s


def test_retry_after_may_be_a_date(stub: RedditStub, api: RedditApi, waits: list[float]):
    stub.fail(NEW, Fault(429, {"retry-after": formatdate(time.time() + 300, usegmt=True)}))
    assert len(read(api)) == 250
    (wait_s,) = waits
    assert 200 < wait_s <= 300


def test_a_wait_without_end_is_an_error_that_says_so(
    stub: RedditStub, api: RedditApi, waits: list[float]
):
    stub.fail(NEW, Fault(429, {"retry-after": "86400"}))
    with pytest.raises(WebtextError, match="HTTP 429, and asks to wait 86,400 s"):
        read(api)
    assert waits == []


FAILURES = {
    "500": Fault(500),
    "503 with Retry-After": Fault(503, {"retry-after": "2"}),
    "520 of the CDN": Fault(520, body=b"<html>"),
    "408": Fault(408),
    "reset": RESET,
    "an HTML page": HTML,
    "a cut body": CUT,
    "an empty body": Fault(body=b""),
}


@pytest.mark.parametrize("path", [NEW, TOKEN_PATH])
@pytest.mark.parametrize("fault", FAILURES.values(), ids=FAILURES.keys())
def test_a_passing_failure_is_waited_out(
    stub: RedditStub, api: RedditApi, waits: list[float], path: str, fault: Fault
):
    stub.fail(path, *[fault] * ALL_BUT_THE_LAST_TRY)
    assert len(read(api)) == 250
    assert len(waits) == ALL_BUT_THE_LAST_TRY
    assert waits == sorted(waits)
    assert waits[0] < waits[-1]


@pytest.mark.parametrize("fault", FAILURES.values(), ids=FAILURES.keys())
def test_a_lasting_failure_is_an_error_that_names_it(
    stub: RedditStub, api: RedditApi, fault: Fault
):
    stub.fail(NEW, *[fault] * (ALL_BUT_THE_LAST_TRY + 1))
    with pytest.raises(WebtextError, match=f"Reddit does not answer .*{NEW}: ") as raised:
        read(api)
    assert not isinstance(raised.value, UsageError)
    assert stub.paths() == [NEW] * (ALL_BUT_THE_LAST_TRY + 1), "prawcore tried again on top of us"


def test_nobody_at_the_address_is_an_error(
    stub: RedditStub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    point_praw_to(stub, monkeypatch, tmp_path / "config", oauth_url="http://127.0.0.1:1")
    with (
        closing(RedditApi("u/tester", sleep=lambda seconds: None)) as api,
        pytest.raises(WebtextError, match="ConnectionError"),
    ):
        read(api)


def test_an_expired_token_is_replaced(stub: RedditStub, api: RedditApi):
    assert len(read(api, limit=100)) == 100
    stub.expire_token()
    assert len(read(api, limit=100)) == 100
    assert stub.num_tokens == 2


def test_a_token_that_is_never_accepted_is_an_error(
    stub: RedditStub, api: RedditApi, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(FiniteRetryStrategy, "sleep", lambda self: None)  # prawcore's own waits
    stub.fail(NEW, *[Fault(401, {"www-authenticate": 'Bearer realm="reddit"'})] * 3)
    with pytest.raises(WebtextError, match="InvalidToken"):
        read(api)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(403, body=b'{"reason": "private", "message": "Forbidden", "error": 403}'),
        Fault(403, {"www-authenticate": 'Bearer realm="reddit"'}),
        Fault(404, body=b'{"reason": "banned", "message": "Not Found", "error": 404}'),
        Fault(302, {"location": "https://oauth.reddit.com/subreddits/search?q=nosuch"}),
        Fault(451),
    ],
    ids=["private", "quarantined", "banned", "none of that name", "unlawful"],
)
def test_a_subreddit_that_cannot_be_read_is_named(stub: RedditStub, api: RedditApi, fault: Fault):
    stub.fail("/r/closed/new", fault)
    with pytest.raises(UnreadableSubredditError, match="r/closed") as raised:
        read(api, subreddit="closed")
    assert "harvest.subreddits" in raised.value.hint


@pytest.mark.parametrize(
    "fault",
    [
        *(Fault(body=body) for body in (b"[]", b"{}", b"null", b'"x"', b'{"data": {}}')),
        Fault(body=b'{"data": {"children": [7]}}'),
        Fault(body=b'{"data": {"children": [{"kind": "t3", "data": null}]}}'),
        Fault(400, body=b'{"reason": "BAD_ID", "explanation": "no such id"}'),
        Fault(418),
        Fault(302),
        Fault(headers={"x-ratelimit-remaining": "many"}),
    ],
)
def test_an_answer_of_another_shape_is_an_error_not_a_crash(
    stub: RedditStub, api: RedditApi, fault: Fault
):
    stub.fail("/api/info/", fault)
    with pytest.raises(WebtextError, match="api/info/ is of no use") as raised:
        api.by_id(["b000"])
    assert raised.value.hint


def test_what_is_no_submission_is_left_out(stub: RedditStub, api: RedditApi):
    stub.fail(NEW, Fault(body=b'{"data": {"children": [{"kind": "t5", "data": {"id": "x"}}]}}'))
    assert list(api.pages("all", "new", 100)) == [[]]


def test_without_credentials_the_error_says_what_to_set_and_where_to_get_it(
    stub: RedditStub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    for missing in ("client_id", "client_secret"):
        point_praw_to(stub, monkeypatch, tmp_path / "config", **{missing: ""})
        with pytest.raises(UsageError, match="there are no Reddit credentials") as raised:
            RedditApi("u/tester")
        assert "praw_client_secret" in raised.value.hint
        assert "https://www.reddit.com/prefs/apps" in raised.value.hint
        assert CLIENT_SECRET not in str(raised.value)


def test_credentials_in_the_environment_go_before_praw_ini(
    stub: RedditStub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    point_praw_to(stub, monkeypatch, tmp_path / "config", client_secret="outdated")
    monkeypatch.setenv("praw_client_secret", CLIENT_SECRET)
    with closing(RedditApi("u/tester")) as api:
        assert len(read(api)) == 250


def test_wrong_credentials_are_an_error_that_does_not_show_them(
    stub: RedditStub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    point_praw_to(stub, monkeypatch, tmp_path / "config", client_secret="wrong-secret-77")
    with (
        closing(RedditApi("u/tester")) as api,
        pytest.raises(UsageError, match="does not accept the credentials: HTTP 401") as raised,
    ):
        read(api)
    assert "wrong-secret-77" not in str(raised.value)
    assert len(stub.asked) == 1, "wrong credentials must not be tried again"


def test_a_user_name_and_password_in_praw_ini_are_not_used(
    stub: RedditStub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    point_praw_to(stub, monkeypatch, tmp_path / "config", username="somebody", password="hunter2")
    with closing(RedditApi("u/tester")) as api:
        assert len(read(api)) == 250  # the stub gives tokens to client credentials only


def test_an_unreadable_praw_ini_is_an_error_that_does_not_show_it(
    stub: RedditStub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / "config" / "praw.ini").write_text(f"client_secret={CLIENT_SECRET}\n")
    monkeypatch.setattr(praw.config.Config, "CONFIG", None)
    with pytest.raises(UsageError, match=r"praw\.ini") as raised:
        RedditApi("u/tester")
    assert CLIENT_SECRET not in str(raised.value)


def test_without_a_contact_nothing_starts(stub: RedditStub):
    with pytest.raises(UsageError, match="contact"):
        RedditApi("")
    assert stub.asked == []


def test_the_log_holds_no_secret(
    stub: RedditStub, api: RedditApi, caplog: pytest.LogCaptureFixture
):
    stub.fail(NEW, Fault(401), Fault(500), RESET)
    with caplog.at_level(logging.DEBUG):
        read(api)
    assert "r/all/new" in caplog.text
    assert CLIENT_SECRET not in caplog.text
    assert stub.token not in caplog.text
