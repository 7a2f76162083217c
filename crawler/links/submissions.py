"""Which submissions are worth following, and where to: a submission becomes a link or not."""

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import ClassVar, Literal

import msgspec
from pydantic import Field

from corpus.redact import redact_users
from crawler.links.posts import Listed, Submission
from crawler.links.rules import Rejection, Rules, RulesConfig
from crawler.links.urls import NotAPageError, canonical_url, host_of, registrable_domain

INT32_MAX = 2**31 - 1
_LAST_TIMESTAMP = 4_102_444_800  # 2100-01-01; later ones are no dates


class LinksConfig(RulesConfig):
    """Which submissions become links."""

    OPERATIONAL: ClassVar[frozenset[str]] = frozenset(
        {"dumps", "urls", "harvested", "harvested_before", "max_corrupt_lines"}
    )

    dumps: tuple[Path, ...] = ()
    """Submission dumps to read: ndjson, plain or as .zst, .xz, .bz2, .gz."""
    urls: tuple[Path, ...] = ()
    """Tables to read with a column `url` and perhaps score, created, subreddit and id: .csv, .tsv,
    .parquet, .ndjson, or a URL on each line."""
    harvested: bool = False
    """Read too what `webtext harvest` gathered from Reddit's API."""
    harvested_before: date | None = None
    """Of the harvest, take the days before this one (UTC) only, so that a later build reads the
    same; None: all that are finished."""
    min_score: int = 3
    """Lowest score (karma) to follow (paper section 2.1: at least 3)."""
    karma: Literal["submission", "url"] = "submission"
    """What `min_score` is asked of: one submission (the paper), or the sum over all submissions of
    a page (OpenWebText2), which is then its score too."""
    created_after: date | None = None
    """Leave out submissions from before this day (UTC); None: none."""
    created_before: date | None = None
    """Leave out submissions from this day (UTC) on; None: none. (Paper section 2.1: no links from
    after December 2017.)"""
    skip_crawled: bool = False
    """Leave out pages that earlier builds have crawled."""
    partitions: int = Field(default=1, ge=1, le=512)
    """Link shards. All of a domain is in one, and the crawl runs one process per shard."""
    max_corrupt_lines: int = Field(default=1000, ge=0)
    """Lines per file that may be unreadable, and are then kept aside; one more is an error."""


class Link(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One submission that is worth following."""

    url: str
    submission_id: str
    domain: str
    score: int | None
    """None: the list that it is from knows none."""
    created_s: int | None
    """Seconds since 1970; early dumps miss it here and there."""
    subreddit: str


class SubmissionRules:
    """The rules of a config about submissions, ready to be asked.

    Args:
        config: What is wanted.
        rules: The rules about addresses and subreddits.
    """

    def __init__(self, config: LinksConfig, rules: Rules) -> None:
        self._min_score = config.min_score if config.karma == "submission" else -INT32_MAX
        self._allow_over_18 = config.allow_over_18
        self._start_s = _start_of(config.created_after)
        self._end_s = _start_of(config.created_before)
        self._has_dates = self._start_s is not None or self._end_s is not None
        self._rules = rules

    def judge(self, submission: Submission) -> Link | Rejection:
        """Whether a submission gives a link, and which, or why not."""
        if reason := self.reject_fields(submission):
            return Rejection(reason, detail_of(submission, reason))
        return self.follow(submission)

    def reject_fields(self, submission: Submission) -> str | None:
        """The first reason, by the fields alone, against following a submission."""
        # Every submission ever made comes through here, and most go no further: the plain case,
        # without a parent, is spelled out.
        target = submission.target if submission.crosspost_parent_list else submission
        if submission.is_self or target.is_self:
            return "self_post"
        if (not target.url or target.url.isspace()) and not target.outbound:
            return "no_url"
        fate = submission.fate
        if submission.removed_by_category or target.url == "[deleted]":
            return "deleted"
        if fate is not None and fate.was_deleted_later:
            return "deleted"
        if submission.promoted or submission.is_created_from_ads_ui:
            return "promoted"
        if (submission.over_18 or target.over_18) and not self._allow_over_18:
            return "over_18"
        return self._reject_score(submission) or (
            self._reject_date(submission) if self._has_dates else None
        )

    def follow(self, submission: Submission) -> Link | Rejection:
        """The link of a submission whose fields are good, or what is wrong with its address."""
        address, subreddit = submission.target.outbound, submission.subreddit or ""
        if rejection := self._rules.reject_subreddit(subreddit):
            return rejection
        # Reddit writes addresses of its own without a host here and there ("/r/pics/...").
        if address.startswith("/") and not address.startswith("//"):
            return Rejection("reddit_link", address[:200])
        try:
            url = canonical_url(address)
        except NotAPageError as exc:
            # Some post links with a password: we do not publish it once more in our reports.
            return Rejection(exc.reason, redact_users(f"{exc.detail}: {address}")[:300])
        if rejection := self._rules.reject_url(url):
            return Rejection(rejection.reason, f"{rejection.detail}: {url[:200]}")
        created_s = submission.created_utc
        return Link(
            url=url,
            submission_id=(submission.id or "").removeprefix("t3_"),
            domain=registrable_domain(host_of(url)),
            score=submission.score,
            created_s=created_s if created_s and 0 < created_s < _LAST_TIMESTAMP else None,
            subreddit=subreddit,
        )

    def _reject_score(self, submission: Submission) -> str | None:
        if submission.hide_score:
            return "hidden_score"
        score = submission.score
        if score is None:
            is_asked = not isinstance(submission, Listed) or submission.has_scores
            return "no_score" if is_asked else None
        if score < self._min_score and score >= -INT32_MAX:
            return "low_score"
        return "no_score" if abs(score) > INT32_MAX else None

    def _reject_date(self, submission: Submission) -> str | None:
        if isinstance(submission, Listed) and not submission.has_dates:
            return None
        created_s = submission.created_utc
        if created_s is None:
            return "no_date"
        if self._start_s is not None and created_s < self._start_s:
            return "too_early"
        return "too_late" if self._end_s is not None and created_s >= self._end_s else None


def detail_of(submission: Submission, reason: str) -> str:
    """What is kept of a submission that is left out for `reason`."""
    # Most of all submissions end here: the line has the rest, and its number is kept.
    if reason == "low_score":
        return str(submission.score)
    if reason == "self_post":
        return ""
    return submission.target.outbound[:200]


def _start_of(day: date | None) -> float | None:
    return None if day is None else datetime.combine(day, time(), UTC).timestamp()
