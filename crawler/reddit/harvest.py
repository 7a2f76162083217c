"""Submissions from Reddit's API, gathered round by round until their karma is mature.

A listing ends after about 1,000 submissions, and a new submission has no karma yet. So a round,
run again and again, does two things: it holds what the listings show, and it reads again, by id,
what it has held for `maturity_h` hours. Only that second reading is kept. It goes into one file per
day in the layout of the dumps, which the links stage reads like any other dump.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field

from corpus.runtime import Runtime
from corpus.settings import Section
from crawler.reddit.api import PAGE_SIZE, Listing, RedditApi, Submission, UnreadableSubredditError
from crawler.reddit.patient_requests import Traffic
from crawler.reddit.store import (
    Gap,
    Newest,
    Store,
    day_of,
    id_to_number,
    number_to_id,
    open_store,
)

# A listing that ends by itself well below its limit of about 1,000 shows all there is.
_SURELY_WHOLE = 500
_LISTING_LIMIT = 1_000
Subreddit = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_+-]*$")]
Clock = Callable[[], datetime]


class HarvestConfig(Section):
    """The recipe's `[harvest]` section: what to read from Reddit's API."""

    contact: str = Field(default="", pattern=r"^[ -~]*$")
    """Who runs this, for the User-Agent that Reddit's rules ask for: `u/NAME`, or an e-mail
    address. Empty: the contact of the crawl."""
    subreddits: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_+-]*$")], ...] = (
        "all",
    )
    """Subreddits to read; `all` is every public one that does not opt out."""
    listings: tuple[Listing, ...] = ("new",)
    """Which of their listings: `new`, `hot`, `top` (of the last 24 hours)."""
    maturity_h: float = Field(default=72.0, ge=0)
    """Age at which a submission's score is read again and kept, in hours. Arctic Shift waits 36;
    by 72 voting has ended for nearly all."""
    limit: int = Field(default=_LISTING_LIMIT, ge=1, le=_LISTING_LIMIT)
    """Submissions to read of a listing in one round; the API shows no more than about 1,000."""


@dataclass
class HarvestReport:
    """What one round did."""

    num_seen: int = 0
    """Submissions that the listings showed."""
    num_new: int = 0
    """Those among them that were not known."""
    num_kept: int = 0
    """Submissions that were read again and kept for the day's file."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Submissions that were not kept, by reason."""
    num_held: int = 0
    """Submissions held at the end."""
    num_due: int = 0
    """Those among them that are mature but were left to the next round."""
    sealed: list[Path] = field(default_factory=list)
    """Day files that this round finished."""
    num_requests: int = 0
    waited_s: float = 0.0
    """Seconds spent waiting after answers that asked for it, or failed."""
    problems: list[str] = field(default_factory=list)
    """What a person should know although the round went on, a sentence each."""


def harvest(
    config: HarvestConfig,
    folder: Path,
    api: RedditApi,
    runtime: Runtime,
    now: Clock = lambda: datetime.now(UTC),
    until: datetime | None = None,
) -> HarvestReport:
    """Run one round: seal the days that are over, hold what is new, read again what is mature.

    Killed at any moment, the next round goes on: nothing is lost, and nothing is kept twice.

    Args:
        config: What to read.
        folder: The harvest's folder, `data/reddit`: its memory and its day files.
        api: Where to read it.
        runtime: Progress, in submissions read again.
        now: The clock.
        until: Leave what is still to be read again then to the next round, so that this is not
            late for the listings; None: read all of it.

    Raises:
        WebtextError: Reddit does not answer, or another process harvests into `folder`. What was
            done until then is kept.
    """
    before = replace(api.traffic)
    with open_store(folder) as store:
        a_round = _Round(config, api, store, now, HarvestReport())
        a_round.seal()
        for subreddit in config.subreddits:
            for listing in config.listings:
                a_round.walk(subreddit, listing)
        a_round.read_again(runtime, until)
        a_round.seal()
        return a_round.close(before)


@dataclass(frozen=True)
class _Round:
    """The parts of a round, with what they share."""

    config: HarvestConfig
    api: RedditApi
    store: Store
    now: Clock
    report: HarvestReport

    def seal(self) -> None:
        """Write the files of the days that are over."""
        self.report.sealed += self.store.seal(day_of(self.now()))

    def walk(self, subreddit: str, listing: Listing) -> None:
        """Read a listing from its top and hold what is new.

        Only `new` is in order of time, so only there a page without anything newer than the last
        walk's newest means that the rest is known, and only there it shows that a walk came late.
        """
        name = f"r/{subreddit}/{listing}"
        last = self.store.newest(name) if listing == "new" else None
        met: dict[int, float] = {}
        try:
            for page in self.api.pages(subreddit, listing, self.config.limit):
                found = self._numbers_and_dates(page)
                met |= found
                if last is not None and found and max(found) <= last.number:
                    break
        except UnreadableSubredditError as exc:
            self.report.problems.append(f"{exc.message}. {exc.hint}")
            return
        gap = _gap(name, met, last, self.config.limit)
        if gap is not None:
            self.report.problems.append(_gap_sentence(gap, met))
        self.report.num_seen += len(met)
        self.report.num_new += self.store.finish_walk(name, met, gap)

    def read_again(self, runtime: Runtime, until: datetime | None) -> None:
        """Read what is mature again, 100 at a time, oldest first; a batch is settled at once."""
        mature_s = self._mature_s()
        runtime.progress.start(self.store.num_due(mature_s), "submissions")
        while numbers := self.store.due(mature_s, PAGE_SIZE):
            self._settle(numbers)
            runtime.progress.advance(len(numbers))
            runtime.progress.report({"num_kept": self.report.num_kept})
            if until is not None and self.now() >= until:
                return

    def close(self, before: Traffic) -> HarvestReport:
        """The report, completed; `before` is the traffic when the round began."""
        self.report.num_held = self.store.num_held()
        self.report.num_due = self.store.num_due(self._mature_s())
        self.report.num_requests = self.api.traffic.num_requests - before.num_requests
        self.report.waited_s = self.api.traffic.waited_s - before.waited_s
        return self.report

    def _settle(self, numbers: list[int]) -> None:
        ids = {number: number_to_id(number) for number in numbers}
        found = {each.get("id"): each for each in self.api.by_id(list(ids.values()))}
        read = self.now()
        kept: dict[int, Submission] = {}
        for number, submission_id in ids.items():
            submission = found.get(submission_id)
            reason = _drop_reason(submission)
            if submission is None or reason is not None:
                self.report.dropped[str(reason)] += 1
            else:
                # The dumps say under this name when they read a submission, in seconds since 1970.
                kept[number] = {**submission, "retrieved_on": int(read.timestamp())}
        self.store.settle(numbers, kept, day_of(read))
        self.report.num_kept += len(kept)

    def _numbers_and_dates(self, page: list[Submission]) -> dict[int, float]:
        """When each submission was made, by number; not later than now, or it never matures."""
        found = [each for each in map(_number_and_date, page) if each is not None]
        if len(found) < len(page):
            self.report.dropped["malformed"] += len(page) - len(found)
        now_s = self.now().timestamp()
        return {number: min(created_s, now_s) for number, created_s in found}

    def _mature_s(self) -> float:
        """Submissions made until then, in seconds since 1970, are mature."""
        return (self.now() - timedelta(hours=self.config.maturity_h)).timestamp()


def _number_and_date(submission: Submission) -> tuple[int, float] | None:
    """A submission's number and when it was made; None: it lacks either."""
    try:
        number, created_s = id_to_number(submission["id"]), float(submission["created_utc"])
    except (LookupError, TypeError, ValueError):
        return None
    return (number, created_s) if math.isfinite(created_s) else None


def _drop_reason(submission: Submission | None) -> str | None:
    """Why a submission that was held is not kept; None: it is."""
    if submission is None:
        return "not_returned"
    removed_by = submission.get("removed_by_category")
    if not removed_by:
        return None
    return "deleted" if removed_by in ("deleted", "author") else "removed"


def _gap(name: str, met: dict[int, float], last: Newest | None, limit: int) -> Gap | None:
    """The time between the last walk's newest and this walk's oldest, if they do not overlap."""
    if last is None or len(met) < min(limit, _SURELY_WHOLE) or min(met) <= last.number:
        return None
    return Gap(name, last.created_s, met[min(met)])


def _gap_sentence(gap: Gap, met: dict[int, float]) -> str:
    span_min = (max(met.values()) - min(met.values())) / 60
    return (
        f"{gap.listing} was read too late: what was submitted from {_minute(gap.from_s)} to "
        f"{_minute(gap.until_s)} UTC was not seen. One walk of it covers {span_min:,.0f} minutes: "
        f"run a round at least every {max(span_min * 0.7, 0.5):,.1f} minutes."
    )


def _minute(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"
