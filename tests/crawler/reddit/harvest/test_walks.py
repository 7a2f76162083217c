"""Listings are walked to what is known, and each submission is taken once."""

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from corpus.errors import WebtextError
from crawler.reddit.store import id_to_number, number_to_id, open_store
from tests.crawler.reddit.harvest.rounds import (
    NOON,
    Clock,
    Round,
    grow_up,
    kept,
    numbered,
    submit,
)
from tests.crawler.reddit.reddit_stub import Fault, RedditStub


def test_what_is_known_is_not_held_again(
    stub: RedditStub, clock: Clock, round_of: Round, folder: Path
):
    submit(stub, clock, numbered(30))
    assert [round_of().num_new for _ in range(2)] == [30, 0]
    grow_up(round_of, clock)
    report = round_of()
    assert (report.num_seen, report.num_new, report.num_held) == (30, 0, 0)
    assert Counter(kept(folder)) == Counter(numbered(30))


def test_a_walk_of_new_ends_at_a_page_of_known_ones(
    stub: RedditStub, clock: Clock, round_of: Round
):
    submit(stub, clock, numbered(1_000))
    round_of()
    assert stub.paths() == ["/r/all/new"] * 10
    clock.time += timedelta(minutes=5)
    submit(stub, clock, numbered(50, first=1_000))
    stub.asked.clear()
    report = round_of()
    assert (report.num_new, report.problems) == (50, [])
    assert stub.paths() == ["/r/all/new"] * 2


def test_rounds_go_past_the_thousand_that_a_listing_shows(
    stub: RedditStub, clock: Clock, round_of: Round
):
    for first in range(0, 2_000, 500):
        clock.time += timedelta(hours=1)
        submit(stub, clock, numbered(500, first))
        assert round_of().problems == []
    assert round_of().num_held == 2_000


def test_a_walk_that_came_too_late_is_a_problem_that_says_how_often_to_come(
    stub: RedditStub, clock: Clock, round_of: Round, folder: Path
):
    submit(stub, clock, numbered(10))
    assert round_of().problems == []
    clock.time += timedelta(hours=2)
    submit(stub, clock, numbered(1_500, first=10))
    (problem,) = round_of().problems
    assert "r/all/new was read too late" in problem
    assert "from 2026-03-10 12:00 to 2026-03-10 13:43 UTC was not seen" in problem
    assert "at least every 11.7 minutes" in problem  # 1,000 seconds, less a margin
    with open_store(folder) as store:
        (gap,) = store.gaps()
    assert (gap.listing, gap.from_s) == ("r/all/new", NOON.timestamp())
    assert round_of().problems == [], "a gap is told once"


def test_a_walk_that_just_reaches_a_known_one_is_no_gap(
    stub: RedditStub, clock: Clock, round_of: Round
):
    submit(stub, clock, numbered(10))
    round_of()
    clock.time += timedelta(hours=2)
    submit(stub, clock, numbered(999, first=10))
    report = round_of()
    assert (report.num_new, report.problems) == (999, [])


def test_a_short_listing_whose_known_ones_are_deleted_is_no_gap(
    stub: RedditStub, clock: Clock, round_of: Round
):
    submit(stub, clock, numbered(10))
    round_of()
    stub.submissions.clear()
    submit(stub, clock, numbered(10, first=10))
    assert round_of().problems == []


def test_a_walk_that_broke_off_is_made_again_from_the_top(
    stub: RedditStub, clock: Clock, round_of: Round
):
    submit(stub, clock, numbered(100))
    round_of()
    submit(stub, clock, numbered(500, first=100))
    for good_pages in (1, 3):
        stub.fail("/r/all/new", *[None] * good_pages, *[Fault(500)] * 6)
        with pytest.raises(WebtextError, match="does not answer"):
            round_of()
    assert round_of().num_new == 500


def test_several_subreddits_and_listings_give_each_submission_once(
    stub: RedditStub, clock: Clock, round_of: Round, folder: Path
):
    submit(stub, clock, numbered(20))
    submit(stub, clock, numbered(5, first=20), subreddit="python")
    stub.listings |= {"all/hot": numbered(25)[3:9], "python/hot": numbered(5, first=20)}
    report = round_of(subreddits=["all", "python"], listings=["new", "hot"])
    assert (report.num_seen, report.num_new, report.num_held) == (25 + 6 + 5 + 5, 25, 25)
    grow_up(round_of, clock)
    assert sorted(kept(folder)) == sorted(numbered(25))


def test_a_closed_subreddit_is_a_problem_and_the_others_are_read(
    stub: RedditStub, clock: Clock, round_of: Round
):
    submit(stub, clock, ["abc"], subreddit="python")
    stub.fail("/r/closed/new", Fault(403))
    report = round_of(subreddits=["closed", "python"])
    assert report.num_new == 1
    (problem,) = report.problems
    assert "r/closed cannot be read" in problem


def test_what_has_no_id_or_no_date_is_dropped_as_malformed(
    stub: RedditStub, clock: Clock, round_of: Round
):
    submit(stub, clock, ["good"])
    things = [
        stub.submissions["good"],
        *({"id": each, "created_utc": 1.0} for each in (None, "", "A!", "-5", "z" * 13, 7)),
        *({"id": "abc", "created_utc": each} for each in (None, "soon", float("nan"), [])),
        {},
    ]
    page = {"data": {"children": [{"kind": "t3", "data": thing} for thing in things]}}
    stub.fail("/r/all/new", Fault(body=json.dumps(page).encode()))
    report = round_of()
    assert report.num_new == 1
    assert report.dropped == {"malformed": len(things) - 1}


@settings(max_examples=50)
@given(st.integers(min_value=0, max_value=36**12 - 1))
def test_ids_are_numbers_in_base_36(number: int):
    assert id_to_number(number_to_id(number)) == number
    assert number_to_id(number) == number_to_id(number).lower().strip()
