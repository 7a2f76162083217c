"""Which submissions are worth following, and where to: a line of a dump becomes a link or not."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import ClassVar

import orjson
from pydantic import Field

from corpus.settings import Section
from crawler.urls import NotAPageError, canonical_url, host_of, is_under, registrable_domain

# The paper takes outbound links; a link from Reddit to Reddit is none.
_REDDIT = ("reddit.com", "redd.it")
_INT32_MAX = 2**31 - 1
_LAST_TIMESTAMP = 4_102_444_800  # 2100-01-01; later ones are no dates


class LinksConfig(Section):
    """Which submissions become links."""

    OPERATIONAL: ClassVar[frozenset[str]] = frozenset({"dumps", "max_corrupt_lines"})

    dumps: tuple[Path, ...] = ()
    """Submission dumps to read: ndjson, plain or as .zst, .xz, .bz2, .gz."""
    min_score: int = 3
    """Lowest score (karma) of a submission to follow (paper section 2.1: at least 3)."""
    allow_over_18: bool = False
    """Follow submissions marked over 18 too (the paper does not say)."""
    excluded_domains: tuple[str, ...] = ("wikipedia.org",)
    """Domains to leave out with all their sub-domains (paper section 2.1: Wikipedia)."""
    created_before: date | None = None
    """Leave out submissions from this day (UTC) on (paper section 2.1: 2017-12-01); None: none."""
    partitions: int = Field(default=1, ge=1, le=512)
    """Link shards. All of a domain is in one, and the crawl runs one process per shard."""
    max_corrupt_lines: int = Field(default=0, ge=0)
    """Lines per dump that may be no JSON object, and are then kept aside; one more is an error."""


@dataclass(frozen=True, slots=True)
class Link:
    """One submission that is worth following."""

    url: str
    domain: str
    score: int
    created_s: int | None
    """Seconds since 1970; early dumps miss it here and there."""
    subreddit: str
    submission_id: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a line of a dump gives no link."""

    reason: str
    detail: str


def judge(line: bytes, config: LinksConfig) -> Link | Rejection:
    """Whether one line of a dump gives a link, and which, or why not."""
    try:
        submission = orjson.loads(line)
    except orjson.JSONDecodeError as exc:
        return Rejection("corrupt_line", f"{exc}: {_start(line)}")
    if not isinstance(submission, dict):
        return Rejection("corrupt_line", f"no JSON object: {_start(line)}")
    link = submission.get("url")
    if reason := _unwanted(submission, config):
        return Rejection(reason, str(link or "")[:200])
    return _follow(str(link), submission, config)


def _unwanted(submission: dict, config: LinksConfig) -> str | None:
    """The first reason, by the fields alone, against following a submission."""
    score = _whole_number(submission.get("score"))
    created_s = _whole_number(submission.get("created_utc"))
    end_s = _start_of(config.created_before)
    checks = (
        ("self_post", submission.get("is_self") is True),
        ("no_score", score is None or abs(score) > _INT32_MAX),
        ("low_score", score is not None and score < config.min_score),
        ("over_18", submission.get("over_18") is True and not config.allow_over_18),
        ("no_date", end_s is not None and created_s is None),
        ("too_late", end_s is not None and created_s is not None and created_s >= end_s),
        ("no_url", not isinstance(submission.get("url"), str) or not submission["url"].strip()),
    )
    return next((reason for reason, applies in checks if applies), None)


def _follow(link: str, submission: dict, config: LinksConfig) -> Link | Rejection:
    try:
        url = canonical_url(link)
    except NotAPageError as exc:
        return Rejection(exc.reason, f"{exc.detail}: {link[:200]}")
    host = host_of(url)
    if any(is_under(host, domain) for domain in _REDDIT):
        return Rejection("reddit_link", url[:200])
    if any(is_under(host, domain) for domain in config.excluded_domains):
        return Rejection("excluded_domain", url[:200])
    created_s = _whole_number(submission.get("created_utc"))
    return Link(
        url=url,
        domain=registrable_domain(host),
        score=_whole_number(submission.get("score")) or 0,
        created_s=created_s if created_s and 0 < created_s < _LAST_TIMESTAMP else None,
        subreddit=str(submission.get("subreddit") or ""),
        submission_id=str(submission.get("id") or ""),
    )


def _whole_number(value: object) -> int | None:
    """Early dumps write numbers as strings, or leave them out."""
    try:
        return int(float(value)) if isinstance(value, str | int | float) else None
    except (ValueError, OverflowError):
        return None


def _start_of(day: date | None) -> float | None:
    return None if day is None else datetime.combine(day, time(), UTC).timestamp()


def _start(line: bytes) -> str:
    return line[:200].decode(errors="replace")
