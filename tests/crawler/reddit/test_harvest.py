"""Links from Reddit's API: held until their karma is mature, kept once, in files that stay."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import orjson
import pytest
import zstandard
from hypothesis import given, settings, strategies as st

from corpus.errors import WebtextError
from corpus.runtime import Runtime
from corpus.shards import read_rows
from corpus.stage import data_shards
from crawler.links import stage as links
from crawler.links.submissions import LinksConfig
from crawler.reddit.api import RedditApi
from crawler.reddit.harvest import HarvestConfig, HarvestReport, harvest
from crawler.reddit.store import id_to_number, number_to_id, open_store, sealed_dumps
from tests.crawler.reddit.reddit_stub import (
    CLIENT_SECRET,
    Fault,
    RedditStub,
    point_praw_to,
    serve_reddit,
)
from tests.crawler.reddit.t3_things import Thing, deleted, every_kind, link, removed

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
MATURITY = timedelta(hours=72)
SECOND = timedelta(seconds=1)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedditStub]:
    monkeypatch.chdir(tmp_path)
    with serve_reddit() as reddit:
        point_praw_to(reddit, monkeypatch, tmp_path / "config")
        yield reddit


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "reddit"


@pytest.fixture
def round_of(stub: RedditStub, clock: Clock, folder: Path) -> Callable[..., HarvestReport]:
    """Run one round with these fields of the config."""

    def run(until: datetime | None = None, **fields: object) -> HarvestReport:
        config = HarvestConfig.model_validate(fields)
        with closing(RedditApi("u/tester", sleep=lambda seconds: None)) as api:
            return harvest(config, folder, api, Runtime(), now=clock, until=until)

    return run


Round = Callable[..., HarvestReport]


def submit(stub: RedditStub, clock: Clock, ids: list[str], **fields: object) -> None:
    """Submit links now, a second apart, the last one now."""
    for age_s, submission_id in enumerate(reversed(ids)):
        created = clock.time.timestamp() - age_s
        stub.add(link(submission_id, created_utc=created, **fields))  # type: ignore[arg-type]


def numbered(count: int, first: int = 0) -> list[str]:
    return [number_to_id(36**5 + first + n) for n in range(count)]


def read_dump(path: Path) -> list[Thing]:
    with zstandard.open(path, "rb") as lines:
        return [orjson.loads(line) for line in lines.read().splitlines()]


def kept(folder: Path) -> list[str]:
    """The ids in all sealed files."""
    return [each["id"] for path in sealed_dumps(folder) for each in read_dump(path)]


def grow_up(round_of: Round, clock: Clock) -> HarvestReport:
    """Let what is held mature, and its day end."""
    clock.time += MATURITY
    report = round_of()
    clock.time += timedelta(days=1)
    report.sealed += round_of().sealed
    return report


# Maturity


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


# Day files


def test_a_day_s_file_appears_when_the_day_is_over_and_never_changes_again(
    stub: RedditStub, clock: Clock, round_of: Round, folder: Path
):
    submit(stub, clock, ["aaa"])
    round_of()
    clock.time += MATURITY  # noon of the 13th
    assert round_of().sealed == []
    assert sealed_dumps(folder) == []
    submit(stub, clock, ["bbb"])
    clock.time = datetime(2026, 3, 14, tzinfo=UTC)
    (path,) = round_of().sealed
    assert path.name == "RS_2026-03-13.zst"
    before = path.read_bytes(), path.stat().st_mtime_ns
    grow_up(round_of, clock)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert kept(folder) == ["aaa", "bbb"]


def test_sealed_dumps_are_those_of_the_days_before_one(
    stub: RedditStub, clock: Clock, round_of: Round, folder: Path
):
    for name in ("aaa", "bbb"):
        submit(stub, clock, [name])
        round_of()
        grow_up(round_of, clock)
    assert [path.name for path in sealed_dumps(folder)] == [
        "RS_2026-03-13.zst",
        "RS_2026-03-17.zst",
    ]
    assert [path.name for path in sealed_dumps(folder, before=date(2026, 3, 17))] == [
        "RS_2026-03-13.zst"
    ]
    assert sealed_dumps(folder / "nothing") == []


def test_a_day_s_file_does_not_depend_on_the_order_of_the_rounds(stub: RedditStub, tmp_path: Path):
    ids = numbered(300)
    stub.add(*(link(each, created_utc=1_500_000_000.0) for each in ids))
    config = HarvestConfig(listings=("hot",))
    contents = []
    for name, order in (("a", ids), ("b", ids[::-1])):
        clock = Clock()
        with closing(RedditApi("u/tester")) as api:
            for half in (order[:150], order[150:]):
                stub.listings["all/hot"] = half
                harvest(config, tmp_path / name, api, Runtime(), now=clock)
            clock.time += timedelta(days=1)
            (path,) = harvest(config, tmp_path / name, api, Runtime(), now=clock).sealed
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]


def test_a_clock_that_is_set_back_changes_no_sealed_file(
    stub: RedditStub, clock: Clock, round_of: Round, folder: Path
):
    submit(stub, clock, ["aaa"])
    round_of()
    grow_up(round_of, clock)
    (path,) = sealed_dumps(folder)
    before = path.read_bytes()
    clock.time = NOON + MATURITY  # the day of the sealed file
    stub.add(link("bbb", created_utc=1_400_000_000.0))
    assert round_of().num_kept == 1
    clock.time += timedelta(days=3)
    round_of()
    assert path.read_bytes() == before
    assert kept(folder) == ["aaa", "bbb"]


def test_half_a_surrogate_pair_gives_a_line_that_can_be_read(
    stub: RedditStub, clock: Clock, round_of: Round, folder: Path
):
    submit(stub, clock, ["abc"], title="broken \ud83d emoji")
    round_of()
    grow_up(round_of, clock)
    (submission,) = read_dump(sealed_dumps(folder)[0])
    assert submission["title"] == "broken ? emoji"


# Walks


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


# Kills, neighbours, damage

HARVEST = """
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path
from corpus.runtime import Runtime
from crawler.reddit.harvest import HarvestConfig, harvest
from crawler.reddit.api import RedditApi

moment = datetime.fromisoformat(sys.argv[2])
with closing(RedditApi("u/tester")) as api:
    config = HarvestConfig(listings=("hot",))
    harvest(config, Path(sys.argv[1]), api, Runtime(), now=lambda: moment)
"""


def start_harvest(folder: Path, clock: Clock) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", HARVEST, str(folder), clock.time.isoformat()]
    home = str(Path(__file__).parents[3])
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": home})


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    while not condition():
        assert process.poll() is None, "it ended before it could be interrupted"
        time.sleep(0.002)


KILLS = (("/r/all/hot", 4), ("/api/info/", 1), ("/api/info/", 3))
"""In which request: the fourth page of the walk, the first and the third batch."""


def test_after_kill_9_at_any_request_each_submission_is_kept_once(
    stub: RedditStub,
    clock: Clock,
    round_of: Round,
    folder: Path,
):
    stub.listings["all/hot"] = numbered(800)
    stub.add(*(link(each, created_utc=1_500_000_000.0) for each in numbered(800)))
    stub.pause_s = 0.02
    for path, count in KILLS:
        stub.asked.clear()
        process = start_harvest(folder, clock)
        wait_for(lambda path=path, count=count: stub.paths().count(path) >= count, process)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    stub.pause_s = 0.0
    round_of(listings=["hot"])
    clock.time += timedelta(days=1)
    round_of(listings=["hot"])
    assert kept(folder) == numbered(800)


def test_killed_between_a_day_s_file_and_its_mark_the_same_bytes_are_written_again(
    stub: RedditStub, clock: Clock, round_of: Round, folder: Path
):
    submit(stub, clock, numbered(50))
    round_of()
    clock.time += MATURITY
    round_of()
    before_the_mark = (folder / "harvest.db").read_bytes()
    clock.time += timedelta(days=1)
    (path,) = round_of().sealed
    content = path.read_bytes()
    (folder / "harvest.db").write_bytes(before_the_mark)
    assert round_of().sealed == [path]
    assert path.read_bytes() == content
    assert kept(folder) == numbered(50)


def test_of_two_processes_at_once_the_second_is_told_so(
    stub: RedditStub, clock: Clock, round_of: Round, folder: Path
):
    stub.listings["all/hot"] = numbered(5)
    stub.add(*(link(each, created_utc=1_500_000_000.0) for each in numbered(5)))
    stub.pause_s = 0.5
    first = start_harvest(folder, clock)
    wait_for(lambda: bool(stub.paths()), first)
    with pytest.raises(WebtextError, match="another webtext process is harvesting into") as raised:
        round_of()
    assert "stop it" in raised.value.hint
    assert first.wait() == 0
    clock.time += timedelta(days=1)
    round_of(listings=["hot"])
    assert kept(folder) == numbered(5)


def test_a_damaged_database_is_an_error_that_names_it(round_of: Round, folder: Path):
    folder.mkdir(parents=True)
    (folder / "harvest.db").write_bytes(b"this is no database, however long it may be" * 100)
    with pytest.raises(WebtextError, match=r"harvest\.db cannot be used") as raised:
        round_of()
    assert "move it away" in raised.value.hint


def test_a_database_of_another_version_is_left_alone(round_of: Round, folder: Path):
    folder.mkdir(parents=True)
    with closing(sqlite3.connect(folder / "harvest.db")) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(WebtextError, match="another version"):
        round_of()


@pytest.mark.parametrize(
    "fields",
    [
        {"subreddits": ["a/../../api"]},
        {"subreddits": ["all?x=1"]},
        {"subreddits": [""]},
        {"listings": ["rising"]},
        {"limit": 1_001},
        {"maturity_h": -1},
        {"contact": "me\r\nX-Header: 1"},
    ],
)
def test_a_config_that_makes_no_sense_is_refused(fields: dict[str, object]):
    with pytest.raises(ValueError, match=next(iter(fields))):
        HarvestConfig.model_validate(fields)


def test_the_log_and_the_folder_hold_no_secret(
    stub: RedditStub,
    clock: Clock,
    round_of: Round,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
):
    submit(stub, clock, ["abc"])
    with caplog.at_level("DEBUG"):
        round_of()
    content = b"".join(path.read_bytes() for path in folder.iterdir())
    for secret in (CLIENT_SECRET, stub.token):
        assert secret.encode() not in content
        assert secret not in caplog.text
