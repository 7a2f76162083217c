"""Rounds of a harvest against a Reddit on loopback, by a clock that stands still."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from corpus.runtime import Runtime
from crawler.reddit.api import RedditApi
from crawler.reddit.harvest import HarvestConfig, HarvestReport, harvest
from tests.crawler.reddit.harvest.rounds import Clock, Round
from tests.crawler.reddit.reddit_stub import RedditStub, point_praw_to, serve_reddit


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
def round_of(stub: RedditStub, clock: Clock, folder: Path) -> Round:
    """Run one round with these fields of the config."""

    def run(until: datetime | None = None, **fields: object) -> HarvestReport:
        config = HarvestConfig.model_validate(fields)
        with closing(RedditApi("u/tester", sleep=lambda seconds: None)) as api:
            return harvest(config, folder, api, Runtime(), now=clock, until=until)

    return run
