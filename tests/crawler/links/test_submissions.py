"""Submissions: which become links, under which address, and why the others do not."""

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings, strategies as st

from crawler.links.dumps import read_dump
from crawler.links.posts import UNPLAIN, Corrupt, Submission, parse_odd, parse_plain
from crawler.links.rules import Rejection, Rules
from crawler.links.submissions import Link, LinksConfig, SubmissionRules
from tests.crawler.reddit.t3_things import crosspost, every_kind, gallery, link, self_post, video

SUBMISSION = {
    "id": "a1",
    "url": "http://www.example.com/story?id=1",
    "score": 3,
    "created_utc": 1_120_181_161,
    "subreddit": "reddit.com",
    "is_self": False,
    "over_18": False,
}
PLAIN = LinksConfig()
RULES = Rules(PLAIN)


def parse(line: bytes) -> Submission | Corrupt:
    try:
        return parse_plain(line)
    except UNPLAIN:
        return parse_odd(line)


def judged(fields: dict, config: LinksConfig | None = None) -> Link | Rejection:
    rules = SubmissionRules(PLAIN, RULES) if config is None else SubmissionRules(config, RULES)
    submission = parse(orjson.dumps(fields))
    assert isinstance(submission, Submission)
    return rules.judge(submission)


def verdict(config: LinksConfig | None = None, **changes: object) -> Link | Rejection:
    return judged({**SUBMISSION, **changes}, config)


def reason(config: LinksConfig | None = None, **changes: object) -> str:
    found = verdict(config, **changes)
    assert isinstance(found, Rejection), found
    return found.reason


def test_a_submission_with_three_points_is_a_link():
    assert verdict() == Link(
        url="http://www.example.com/story?id=1",
        submission_id="a1",
        domain="example.com",
        score=3,
        created_s=1_120_181_161,
        subreddit="reddit.com",
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"score": 2}, "low_score"),
        ({"score": -40}, "low_score"),
        ({"score": None}, "no_score"),
        ({"score": "many"}, "no_score"),
        ({"score": 2**40}, "no_score"),
        ({"score": -(2**40)}, "no_score"),
        ({"hide_score": True}, "hidden_score"),
        ({"is_self": True}, "self_post"),
        ({"over_18": True}, "over_18"),
        ({"promoted": True}, "promoted"),
        ({"is_created_from_ads_ui": True}, "promoted"),
        ({"removed_by_category": "moderator"}, "deleted"),
        ({"_meta": {"was_deleted_later": True}}, "deleted"),
        ({"url": "[deleted]"}, "deleted"),
        ({"url": None}, "no_url"),
        ({"url": "  "}, "no_url"),
        ({"url": "/r/test"}, "reddit_link"),
        ({"url": "/gallery/abc"}, "reddit_link"),
        ({"url": "ftp://a.com/x"}, "not_http"),
        ({"url": "http://nowhere"}, "bad_url"),
        ({"url": "http://a.com/x.png"}, "media"),
        ({"url": "https://old.reddit.com/r/x/comments/1"}, "reddit_link"),
        ({"url": "https://en.wikipedia.org/wiki/X"}, "excluded_domain"),
        ({"subreddit": "CoonTown"}, "blocked_subreddit"),
    ],
)
def test_each_reason_against_a_link_has_its_name(changes: dict, expected: str):
    assert reason(**changes) == expected


@pytest.mark.parametrize("scheme", ["http", "ftp"])
def test_a_posted_password_is_not_kept(scheme: str):
    found = verdict(url=f"{scheme}://me:pa55word@a.com/x")
    assert isinstance(found, Rejection)
    assert "a.com/x" in found.detail
    assert "pa55word" not in found.detail


def test_a_submission_that_was_looked_at_again_and_found_is_a_link():
    assert isinstance(verdict(_meta={"was_deleted_later": False, "note": "x"}), Link)
    assert isinstance(verdict(_meta={}), Link)


def test_early_dumps_with_numbers_as_strings_and_missing_fields_are_read():
    found = judged({"url": "http://a.com/", "score": "4", "created_utc": "1120181161.0"})
    assert found == Link("http://a.com/", "", "a.com", 4, 1_120_181_161, "")
    found = judged({"url": "http://a.com/", "score": 4})
    assert isinstance(found, Link)
    assert found.created_s is None


@pytest.mark.parametrize("odd", [{"id": 7}, {"score": 4.7}, {"over_18": "no"}, {"_meta": [1]}])
def test_a_field_of_a_type_that_reddit_never_gave_it_is_passed_over(odd: dict):
    assert isinstance(verdict(**{"score": 4, **odd}), Link)


def test_the_recipe_moves_each_limit():
    assert isinstance(verdict(LinksConfig(min_score=1), score=1), Link)
    assert isinstance(verdict(LinksConfig(allow_over_18=True), over_18=True), Link)
    # The sum over a page's submissions is only known in the end.
    assert isinstance(verdict(LinksConfig(karma="url"), score=-5), Link)


def test_days_begin_and_end_the_time_that_is_taken():
    taken = LinksConfig(created_after=date(2017, 1, 1), created_before=date(2017, 12, 1))
    first, end = (datetime(2017, month, 1, tzinfo=UTC).timestamp() for month in (1, 12))
    assert isinstance(verdict(taken, created_utc=int(first)), Link)
    assert isinstance(verdict(taken, created_utc=int(end) - 1), Link)
    assert reason(taken, created_utc=int(first) - 1) == "too_early"
    assert reason(taken, created_utc=int(end)) == "too_late"
    assert reason(taken, created_utc=None) == "no_date"


def test_a_crosspost_leads_where_its_parent_leads_with_its_own_score():
    parent = link("p1", url="https://site.example/story", score=1)
    repost = crosspost("c1", parent, score=40)
    for shown in ("/r/programming/comments/p1/x/", "https://www.reddit.com/r/programming/p1"):
        found = judged(repost | {"url": shown, "url_overridden_by_dest": shown})
        assert isinstance(found, Link)
        assert (found.url, found.score) == ("https://site.example/story", 40)
        assert (found.submission_id, found.subreddit) == ("c1", "bestof")


@pytest.mark.parametrize(
    ("parent", "expected"),
    [
        (self_post("p"), "self_post"),
        (gallery("p"), "reddit_link"),
        (video("p"), "reddit_link"),
        (link("p") | {"over_18": True}, "over_18"),
        (link("p", url="https://i.redd.it/a.jpg"), "media"),
    ],
)
def test_a_crosspost_is_left_out_for_what_its_parent_is(parent: dict, expected: str):
    found = judged(crosspost("c", parent, score=9))
    assert isinstance(found, Rejection)
    assert found.reason == expected


def test_the_outbound_address_counts_where_the_other_is_reddits_own_page():
    found = verdict(url="/r/x/comments/1/", url_overridden_by_dest="https://a.example/x")
    assert isinstance(found, Link)
    assert found.url == "https://a.example/x"


def test_a_file_of_everything_that_the_api_publishes_has_these_counts(tmp_path: Path):
    things = [*every_kind(score=5), *every_kind(2_000, score=1), link("z", score=3)]
    dump = tmp_path / "RS_2026-01-01"
    dump.write_bytes(b"".join(orjson.dumps(thing) + b"\n" for thing in things))
    rules = SubmissionRules(PLAIN, RULES)
    found = [rules.judge(s) for _, s in read_dump(dump) if isinstance(s, Submission)]
    assert len(found) == len(things)
    reasons = Counter(f.reason if isinstance(f, Rejection) else "link" for f in found)
    assert reasons == {
        "link": 3,  # with five points a link and its crosspost, and the one with three
        "low_score": 5,  # with one point link, gallery, video, image and crosspost
        "self_post": 4,  # texts and polls
        "deleted": 4,  # removed ones too
        "hidden_score": 2,
        "over_18": 2,
        "reddit_link": 2,  # a gallery and a video
        "media": 1,  # the image
    }


@settings(max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from([*SUBMISSION, "_meta", "crosspost_parent_list", "hide_score", "promoted"]),
        st.none()
        | st.booleans()
        | st.integers(-(2**60), 2**60)
        | st.floats()
        | st.text(max_size=9)
        | st.lists(st.dictionaries(st.sampled_from(["url", "is_self"]), st.text(max_size=3)))
        | st.dictionaries(st.sampled_from(["was_deleted_later", "x"]), st.text(max_size=3)),
    )
)
def test_no_field_of_any_type_stops_the_stage(changes: dict):
    assert isinstance(verdict(**changes), Link | Rejection)


@settings(max_examples=200)
@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_no_line_of_any_bytes_stops_the_stage(line: bytes):
    assert isinstance(parse(line), Submission | Corrupt)


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[1]", b"7", b'{"url":"\xff"}', b'{"url":"\\ud800"}', b'{"url":"a"} x']
)
def test_what_is_no_json_object_is_corrupt(line: bytes):
    assert isinstance(parse(line), Corrupt)


@settings(max_examples=100)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "id": st.text(max_size=5),
            "url": st.none() | st.text(max_size=9),
            "score": st.none() | st.integers(-9, 9) | st.integers(-9, 9).map(str),
            "created_utc": st.integers(0, 2**31) | st.integers(0, 2**31).map(float),
            "hide_score": st.booleans(),
            "crosspost_parent_list": st.just([{"url": "http://a.com/", "is_self": True}]),
        },
    )
)
def test_the_fast_way_of_reading_gives_what_the_tolerant_one_gives(fields: dict):
    line = orjson.dumps(fields)
    fast, tolerant = parse_plain(line), parse_odd(line)
    assert isinstance(tolerant, Submission)
    rules = SubmissionRules(PLAIN, RULES)
    assert rules.judge(fast) == rules.judge(tolerant)
    assert (fast.id, fast.score, fast.created_utc) == (
        tolerant.id,
        tolerant.score,
        tolerant.created_utc,
    )
