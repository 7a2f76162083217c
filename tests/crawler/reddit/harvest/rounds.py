"""A clock to set, submissions to make, and what rounds have kept."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import zstandard

from crawler.reddit.harvest import HarvestReport
from crawler.reddit.store import number_to_id, sealed_dumps
from tests.crawler.reddit.reddit_stub import RedditStub
from tests.crawler.reddit.t3_things import Thing, link

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
MATURITY = timedelta(hours=72)
SECOND = timedelta(seconds=1)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


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
