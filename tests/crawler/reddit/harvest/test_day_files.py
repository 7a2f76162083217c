"""Each day's submissions lie in one file, which never changes again."""

from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from corpus.runtime import Runtime
from crawler.reddit.api import RedditApi
from crawler.reddit.harvest import HarvestConfig, harvest
from crawler.reddit.store import sealed_dumps
from tests.crawler.reddit.harvest.rounds import (
    MATURITY,
    NOON,
    Clock,
    Round,
    grow_up,
    kept,
    numbered,
    read_dump,
    submit,
)
from tests.crawler.reddit.reddit_stub import RedditStub
from tests.crawler.reddit.t3_things import link


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
