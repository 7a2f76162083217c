"""Kills, neighbours, damage and wrong configs lose nothing and show no secret."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from corpus.errors import WebtextError
from crawler.reddit.harvest import HarvestConfig
from tests.crawler.reddit.harvest.rounds import MATURITY, Clock, Round, kept, numbered, submit
from tests.crawler.reddit.reddit_stub import CLIENT_SECRET, RedditStub
from tests.crawler.reddit.t3_things import link

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
    home = str(Path(__file__).parents[4])
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
