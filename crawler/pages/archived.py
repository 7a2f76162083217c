"""Which one outcome a response in another crawl's archive gets: as it would in a crawl of ours."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import scrapy.http
from pydantic import Field

from crawler.archive.encoding import BadEncodingError, BodyTooLargeError, decode_body
from crawler.archive.foreign import Record
from crawler.archive.warc import FETCHED, Response
from crawler.links.rules import Rejection, Rules, RulesConfig
from crawler.links.urls import NotAPageError, canonical_url
from crawler.pages.outcomes import Reason, of_response

ARCHIVE_REASONS = {
    "robots_txt": "A host's robots.txt, which crawlers archive beside the pages.",
    "revisit": "A record that says `as before`: the page is where an earlier record has it.",
    "duplicate_url": "A later response for the same address is kept; the detail says which is not.",
    "bad_record": "A record that is cut, damaged, or none; the detail says what is wrong.",
}
"""Reasons that only archives of other crawls know, beside those of `crawler.pages.outcomes`."""


class ArchivesConfig(RulesConfig):
    """Archives of other crawls that give the pages, and which of their responses are pages."""

    OPERATIONAL: ClassVar[frozenset[str]] = frozenset({"files"})

    files: tuple[Path, ...] = ()
    """WARC files of any crawler to read instead of crawling; empty: crawl."""
    obey_opt_outs: bool = True
    """Reject what reserves itself from text and data mining in its headers or meta tags."""
    max_body_bytes: int = Field(default=4 << 20, ge=1)
    """Largest body, before and after decompression; a larger one is rejected as too_large."""
    content_types: tuple[str, ...] = ("text/html", "application/xhtml+xml", "text/plain")
    """Media types that count as a page, lower case."""
    partitions: int = Field(default=1, ge=1, le=512)
    """Page shards. All of a domain is in one, and each is made by one worker."""


@dataclass(frozen=True, slots=True)
class ArchivedPage:
    """A response that is a page."""

    url: str
    """Canonical."""
    content_type: str
    status: int
    body: bytes
    """Decoded."""
    fetched_at: datetime | None
    """None: the record does not say when."""


def judge(record: Record, config: ArchivesConfig, rules: Rules) -> ArchivedPage | Rejection:
    """The page in a `response` or `revisit` record, or why it holds none.

    Addresses are canonical and obey the rules that links obey; answers are judged as a crawl of
    ours judges them. Redirects are not followed: what they lead to has a record of its own.
    """
    try:
        url = canonical_url(record.target)
    except NotAPageError as exc:
        return Rejection(exc.reason, exc.detail)
    if record.kind == "revisit":
        return Rejection("revisit", record.fields.get("warc-refers-to-target-uri", "").strip("<>"))
    if urlsplit(url).path == "/robots.txt":
        return Rejection("robots_txt", "")
    if rejection := rules.reject_url(url):
        return rejection
    if not record.raw:
        return Rejection(Reason.TOO_LARGE.code, f"{record.num_bytes} bytes as archived")
    return _judge_response(url, record, config)


def _judge_response(url: str, record: Record, config: ArchivesConfig) -> ArchivedPage | Rejection:
    try:
        response = record.response()
        encodings = [v for name, v in response.headers if name.lower() == "content-encoding"]
        body = decode_body(response.body, encodings, config.max_body_bytes)
    except BodyTooLargeError:
        return Rejection(Reason.TOO_LARGE.code, "decoded")
    except BadEncodingError as exc:
        return Rejection(Reason.BAD_RESPONSE.code, str(exc))
    except ValueError as exc:
        return Rejection(Reason.BAD_RESPONSE.code, f"no HTTP: {str(exc)[:100]}")
    if len(response.body) > config.max_body_bytes:
        return Rejection(Reason.TOO_LARGE.code, "downloaded")
    if 300 <= response.status < 400:
        return Rejection(f"http_{response.status}", response.header("Location")[:200])
    outcome, detail = _outcome(url, response, body, config)
    how = _truncation(record)
    if how and outcome in {FETCHED, Reason.EMPTY.code}:
        reason = Reason.TOO_LARGE if how == "length" else Reason.BAD_RESPONSE
        return Rejection(reason.code, f"truncated by the crawler: {how}")
    if outcome != FETCHED:
        return Rejection(outcome, detail)
    content_type = response.header("Content-Type")
    return ArchivedPage(url, content_type, response.status, body, _date(record))


def _outcome(url: str, response: Response, body: bytes, config: ArchivesConfig) -> tuple[str, str]:
    answer = scrapy.http.Response(url, status=response.status, headers=response.headers, body=body)
    return of_response(answer, config.content_types, url, obey_opt_outs=config.obey_opt_outs)


def _truncation(record: Record) -> str:
    """Why there is only a part of the response: a limit, a lost connection; empty: it is whole."""
    if "warc-segment-number" in record.fields:
        return "segments"
    return record.fields.get("warc-truncated", "")


def _date(record: Record) -> datetime | None:
    try:
        date = datetime.fromisoformat(record.fields.get("warc-date", ""))
    except ValueError:
        return None
    # WARC 1.1 allows a part of a date, without a zone, and parts of a second.
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
