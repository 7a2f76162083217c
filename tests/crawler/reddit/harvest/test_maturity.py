"""Submissions are held until their karma is mature; what is gone by then is dropped."""

from datetime import timedelta
from pathlib import Path

from corpus.runtime import Runtime
from corpus.shards import read_rows
from corpus.stage import data_shards
from crawler.links import stage as links
from crawler.links.submissions import LinksConfig
from crawler.reddit.store import id_to_number, sealed_dumps
from tests.crawler.reddit.harvest.rounds import (
    MATURITY,
    NOON,
    SECOND,
    Clock,
    Round,
    grow_up,
    kept,
    numbered,
    read_dump,
    submit,
)
from tests.crawler.reddit.reddit_stub import RedditStub
from tests.crawler.reddit.t3_things import deleted, every_kind, link, removed


def test_a_submission_is_read_again_at_72_hours_and_not_a_second_before(
    stub: RedditStub, clock: Clock, round_of: Round
):
    submit(stub, clock, ["abc"])
    assert round_of().num_held == 1
    clock.time = NOON + MATURITY - SECOND
    assert (round_of().num_kept, round_of().num_held) == (0, 1)
    clock.time = NOON + MATURITY
    assert (round_of().num_kept, round_of().num_held) == (1, 0)


def test_the_score_that_is_kept_is_the_mature_one(
    stub: RedditStub, clock: Clock, round_of: Round, folder: Path
):
    submit(stub, clock, ["aaa"], score=40)
    submit(stub, clock, ["bbb"], score=1)
    round_of()
    stub.submissions["aaa"]["score"] = 2
    stub.submissions["bbb"]["score"] = 17
    grow_up(round_of, clock)
    (path,) = sealed_dumps(folder)
    assert {each["id"]: each["score"] for each in read_dump(path)} == {"aaa": 2, "bbb": 17}


def test_the_links_stage_judges_the_mature_score(
    stub: RedditStub, clock: Clock, round_of: Round, folder: Path, tmp_path: Path
):
    submit(stub, clock, ["aaa"], score=40)
    submit(stub, clock, ["bbb"], score=1)
    round_of()
    stub.submissions["aaa"]["score"] = 2
    stub.submissions["bbb"]["score"] = 3
    grow_up(round_of, clock)
    (path,) = sealed_dumps(folder)
    manifest = links.run(LinksConfig(), {"dump-0": path}, tmp_path / "links", Runtime())
    assert manifest.counts.rejects == {"low_score": 1}
    (row,) = read_rows(data_shards(tmp_path / "links", "links-")[0])
    assert (row["submission_ids"], row["score"]) == (["bbb"], 3)


def test_a_kept_submission_has_every_field_and_the_time_it_was_read(
    stub: RedditStub, clock: Clock, round_of: Round, folder: Path
):
    kinds = every_kind(created_utc=NOON.timestamp())
    stub.add(*kinds)
    round_of()
    grow_up(round_of, clock)
    (path,) = sealed_dumps(folder)
    read_at = int((NOON + MATURITY).timestamp())
    there = [thing for thing in kinds if not thing["removed_by_category"]]
    there.sort(key=lambda thing: id_to_number(thing["id"]))
    assert read_dump(path) == [thing | {"retrieved_on": read_at} for thing in there]


def test_what_is_gone_by_then_is_dropped_by_reason(
    stub: RedditStub, clock: Clock, round_of: Round, folder: Path
):
    submit(stub, clock, ["aa1", "aa2", "aa3", "aa4", "aa5"])
    round_of()
    stub.add(deleted("aa1"), removed("aa2"), removed("aa3", by="reddit"))
    del stub.submissions["aa4"]
    report = grow_up(round_of, clock)
    assert report.dropped == {"deleted": 1, "removed": 2, "not_returned": 1}
    assert kept(folder) == ["aa5"]
    stub.add(link("aa4", created_utc=clock.time.timestamp()))
    assert round_of().num_new == 0, "what was dropped is not held again"


def test_what_is_old_when_found_is_read_again_at_once(
    stub: RedditStub, clock: Clock, round_of: Round
):
    stub.add(link("old", created_utc=1_400_000_000.0))
    stub.listings["all/top"] = ["old"]
    report = round_of(listings=["top"])
    assert (report.num_new, report.num_kept, report.num_held) == (1, 1, 0)


def test_a_date_in_the_future_matures_as_if_it_were_now(
    stub: RedditStub, clock: Clock, round_of: Round
):
    stub.add(link("abc", created_utc=4_000_000_000.0))
    round_of()
    clock.time += MATURITY
    assert round_of().num_kept == 1


def test_submissions_are_read_again_a_hundred_at_a_time(
    stub: RedditStub, clock: Clock, round_of: Round
):
    submit(stub, clock, numbered(250))
    round_of()
    clock.time += MATURITY
    report = round_of()
    assert report.num_kept == 250
    sizes = [len(a.params["id"].split(",")) for a in stub.asked if a.path == "/api/info/"]
    assert sizes == [100, 100, 50]
    assert report.num_requests == 1 + 1 + 3  # a token, a page of known ones, three batches


def test_a_round_leaves_the_rest_to_the_next_when_that_is_due(
    stub: RedditStub, clock: Clock, round_of: Round, folder: Path
):
    submit(stub, clock, numbered(250))
    round_of()
    clock.time += MATURITY
    report = round_of(until=clock.time)
    assert (report.num_kept, report.num_held, report.num_due) == (100, 150, 150)
    assert round_of().num_kept == 150
    clock.time += timedelta(days=1)
    round_of()
    assert sorted(kept(folder)) == sorted(numbered(250))
