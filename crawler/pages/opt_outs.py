"""Pages and hosts that reserve themselves from text and data mining, and how they say so.

Three signals count: `noai` in X-Robots-Tag or in a robots meta tag, and the W3C TDM Reservation
Protocol (TDMRep) as a header, a meta tag or a file per host. What does not: `noindex`, `none` and
`noarchive` are about search results, `noimageai` is about pictures. Where signals of one page
disagree, the one that reserves counts.
"""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson
from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK
from scrapy.utils.datatypes import LocalCache
from scrapy.utils.httpobj import urlparse_cached

from crawler.pages.robots import IS_ROBOTS

OPT_OUT_HEADERS = ("X-Robots-Tag", "TDM-Reservation")
"""The headers that may opt out."""

TDM_FILE = "/.well-known/tdmrep.json"
"""Where a host keeps its reservations (TDMRep, 4)."""

OUR_NAMES = frozenset({"webtext", "robots"})
"""User agents that a robots meta tag may address and mean us."""

_HEAD_BYTES = 1 << 16
_NO_AI = "noai"
_RESERVED = "tdm-reservation: 1"
# Directives with a value behind a colon: in an X-Robots-Tag everything else there is an agent.
_VALUED = {"max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"}

_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_META = re.compile(rb"<meta\s([^>]{1,2000})>")
_ATTRIBUTE = re.compile(rb"""(name|content)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")

# More than the largest real file by far; a longer one is not read.
_MAX_FILE_BYTES = 1 << 18
_MAX_RULES = 1_000
_MAX_HOSTS = 10_000


class OptOutError(IgnoreRequest):
    """The host's TDM file reserves the page."""


def opt_out_of(headers: Iterable[tuple[str, str]], body: bytes) -> str:
    """The signal with which an answer opts out of text and data mining; empty: it does not.

    Args:
        headers: The response's, as name and value.
        body: Decoded; its first 64 KB are searched for meta tags.
    """
    return header_opt_out(headers) or meta_opt_out(body)


def header_opt_out(headers: Iterable[tuple[str, str]]) -> str:
    """The header that opts out, such as `X-Robots-Tag: noai`; empty: none."""
    for name, value in headers:
        if name.lower() == "tdm-reservation" and value.strip() == "1":
            return f"header {_RESERVED}"
        if name.lower() == "x-robots-tag" and _NO_AI in _directives_for_us(value):
            return f"X-Robots-Tag: {_NO_AI}"
    return ""


def meta_opt_out(body: bytes) -> str:
    """The meta tag that opts out; empty: none in the head, or in the first 64 KB."""
    end = body.find(b"</head", 0, _HEAD_BYTES)
    head = body[: end if end >= 0 else _HEAD_BYTES].lower()
    # Nearly every page ends here.
    if b"noai" not in head and b"tdm-reservation" not in head:
        return ""
    for tag in _META.finditer(_COMMENT.sub(b"", head)):
        found = {
            each[1]: (each[2] or each[3] or each[4] or b"").decode("latin-1").strip()
            for each in _ATTRIBUTE.finditer(tag[1])
        }
        name, content = found.get(b"name", ""), found.get(b"content", "")
        if name == "tdm-reservation" and content == "1":
            return f"meta {_RESERVED}"
        if name in OUR_NAMES and _NO_AI in re.split(r"[\s,]+", content):
            return f"meta {name}: {_NO_AI}"
    return ""


@dataclass(frozen=True, slots=True)
class TdmRules:
    """A host's TDM file: patterns of paths, the longest first, and whether they are reserved."""

    rules: tuple[tuple[str, bool], ...] = ()

    def reserves(self, url: str) -> bool:
        """Whether the page at `url` is reserved; the longest pattern that matches decides."""
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return next(
            (reserved for pattern, reserved in self.rules if _matches(pattern, path)), False
        )


def parse_tdm_file(body: bytes) -> TdmRules:
    """The rules in a TDM file; what cannot be read reserves nothing."""
    try:
        entries = orjson.loads(body)
    except orjson.JSONDecodeError:
        return TdmRules()
    rules: list[tuple[str, bool]] = []
    for entry in entries[:_MAX_RULES] if isinstance(entries, list) else []:
        if isinstance(entry, dict) and isinstance(pattern := entry.get("location"), str):
            rules.append((pattern, str(entry.get("tdm-reservation")) == "1"))
    return TdmRules(tuple(sorted(rules, key=lambda rule: -len(rule[0]))))


class ObeyOptOuts:
    """Downloader middleware: fetches a host's TDM file once and stops what it reserves.

    A file that is missing or cannot be fetched reserves nothing.
    """

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        # The tasks are the cache: who comes while a file is on its way waits for the same one.
        self._files: LocalCache[str, asyncio.Task[TdmRules]] = LocalCache(_MAX_HOSTS)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "ObeyOptOuts":
        """How Scrapy makes one."""
        return cls(crawler)

    async def process_request(self, request: Request) -> None:
        """Raise OptOutError, or let the request pass.

        A request for a robots.txt or a TDM file passes without a look.
        """
        if IS_ROBOTS in request.meta:
            return
        parts = urlparse_cached(request)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin not in self._files:
            self._files[origin] = asyncio.ensure_future(self._fetch(origin))
        # Shielded: one request that is given up must not end the wait of the others.
        rules = await asyncio.shield(self._files[origin])
        if rules.reserves(request.url):
            raise OptOutError(f"file {_RESERVED}")

    async def _fetch(self, origin: str) -> TdmRules:
        request = Request(
            origin + TDM_FILE,
            callback=NO_CALLBACK,
            meta={IS_ROBOTS: True, "download_maxsize": _MAX_FILE_BYTES},
            priority=1000,
        )
        assert self._crawler.engine is not None
        try:
            response: Response = await self._crawler.engine.download_async(request)
        except Exception:  # whatever a server does to this file, its pages are asked for
            return TdmRules()
        return parse_tdm_file(response.body) if response.status == 200 else TdmRules()


def _directives_for_us(value: str) -> set[str]:
    """The directives of an X-Robots-Tag that are for everybody, or for us by name."""
    ours, directives = True, set[str]()
    for part in value.lower().split(","):
        name, colon, rest = part.strip().partition(":")
        if colon and name.strip() not in _VALUED:
            ours = name.strip() in OUR_NAMES  # holds for the directives behind it, too
            name = rest
        if ours:
            directives.add(name.strip())
    return directives


def _matches(pattern: str, path: str) -> bool:
    """Whether a path matches a pattern with `*` and a final `$`, as in robots.txt (RFC 9309).

    Piece by piece, each as early as possible: linear in the path, whatever the pattern.
    """
    is_anchored = pattern.endswith("$")
    first, *rest = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    for piece in rest[:-1] if is_anchored else rest:
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    if not is_anchored:
        return True
    return path.endswith(rest[-1]) and len(path) - len(rest[-1]) >= at if rest else at == len(path)
