"""The recipe's `[crawl]` section, and what one crawling process is told."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from corpus.settings import Section
from crawler.links.rules import RulesConfig


class CrawlConfig(Section):
    """How links become pages."""

    OPERATIONAL: ClassVar[frozenset[str]] = frozenset(
        {
            "contact",
            "per_host_delay_s",
            "concurrency",
            "per_host_concurrency",
            "pause_s",
            "max_host_failures",
            "archive_file_bytes",
            "allow_private",
            "replay",
        }
    )

    contact: str = ""
    """An e-mail address or page about this crawl, put into the User-Agent. Required for the
    real web: whoever runs a server must be able to reach whoever crawls it."""
    obey_robots: bool = True
    """Fetch and obey each host's robots.txt (RFC 9309)."""
    obey_opt_outs: bool = True
    """Reject what reserves itself from text and data mining: noai, TDMRep (header, meta, file)."""
    per_host_delay_s: float = Field(default=1.0, ge=0)
    """Seconds between two requests to a host; its Crawl-delay or Retry-After may ask for more."""
    concurrency: int = Field(default=256, ge=1)
    """Links in flight at once in one crawling process, those that wait for their host's delay
    after its robots.txt included."""
    per_host_concurrency: int = Field(default=1, ge=1)
    """Requests in flight at once to one host."""
    timeout_s: float = Field(default=20, gt=0)
    """Seconds for one request, from connecting to the last byte."""
    max_body_bytes: int = Field(default=4 << 20, ge=1)
    """Largest body, before and after decompression; a larger one is rejected as too_large."""
    max_redirects: int = Field(default=5, ge=0)
    """Redirects followed for one link."""
    retries: int = Field(default=1, ge=0)
    """Further tries after a timeout, a broken connection or a 429, 500, 502, 503, 504."""
    pause_s: float = Field(default=10, ge=0)
    """Seconds that a host is left alone after such a failure, if it does not name a time itself
    (Retry-After); doubles with each further failure in a row, up to ten minutes."""
    max_host_failures: int = Field(default=10, ge=1)
    """Failures in a row after which a host is given up: its other links are host_unavailable."""
    content_types: tuple[str, ...] = ("text/html", "application/xhtml+xml", "text/plain")
    """Media types that count as a page, lower case; the body of others is not downloaded."""
    archive_file_bytes: int = Field(default=10**9, ge=1)
    """Size at which a WARC file is finished and the next begun (ISO 28500 recommends 1 GB)."""
    allow_private: bool = False
    """Also connect to private and loopback addresses: for an intranet, or a test."""
    replay: Path | None = None
    """Answer from this archive instead of the network: a folder of WARC files, or of pages with
    a table `urls.ndjson` (docs/data-format.md)."""


class CrawlJob(Section):
    """What `python -m crawler.pages.process` reads from a JSON file."""

    config: CrawlConfig
    links: Path
    """The links shard of this partition."""
    output: Path
    index: int
    proxy: str | None
    """Address of a replay proxy; None: the real web, or `replay`."""
    replay: Path | None = None
    """An archive that the crawling process itself replays: the server of it dies with the process,
    never before, so that no page is blamed for it."""
    rules: RulesConfig | None = None
    """What redirects must not lead to: the rules by which the links were chosen."""
    takedown: Path | None = None
    """The takedown list, if there is one."""
