"""How fast a host may be asked: Crawl-delay, Retry-After, and ever longer pauses after failures."""

import math
import time
from datetime import UTC
from email.utils import parsedate_to_datetime

from scrapy.core.downloader import Downloader
from scrapy.utils.datatypes import LocalCache

# What a robots.txt or a busy server may ask for: longer, and one host would hold up all.
LONGEST_PAUSE_S = 600.0
_MAX_HOSTS = 50_000

PASSING = {"timeout", "connection_failed", "dns_error"} | {
    f"http_{status}" for status in (429, 500, 502, 503, 504)
}
"""Outcomes that another try may turn: the host is busy or broken just now."""


class FailingHosts:
    """Counts the failures in a row of each host; a host that answers is forgotten.

    Args:
        pause_s: The first pause after a failure that names no time; doubles with each further one.
        max_failures: Failures in a row after which a host is given up.
    """

    def __init__(self, pause_s: float, max_failures: int) -> None:
        self._pause_s = pause_s
        self._max_failures = max_failures
        self._num_failures: LocalCache[str, int] = LocalCache(_MAX_HOSTS)
        self._given_up: LocalCache[str, str] = LocalCache(_MAX_HOSTS)

    def answered(self, host: str) -> None:
        """A host is well."""
        self._num_failures.pop(host, None)

    def failed(self, host: str, reason: str, retry_after_s: float | None) -> float:
        """A host is busy or broken: count it, and return how long to leave it alone, in seconds."""
        count = self._num_failures.get(host, 0) + 1
        self._num_failures[host] = count
        if count >= self._max_failures:
            self._given_up[host] = reason
        pause_s = self._pause_s * 2 ** min(count - 1, 16)
        return min(max(pause_s, retry_after_s or 0.0), LONGEST_PAUSE_S)

    def given_up(self, host: str) -> str | None:
        """The last failure of a host that was given up; None: it was not."""
        return self._given_up.get(host)


def parse_retry_after(value: bytes | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3: a number, or a date).

    Args:
        value: The header; None: there is none.
        now: Seconds since 1970.

    Returns:
        Zero or more; None if there is no header or it makes no sense.
    """
    text = (value or b"").decode("latin-1").strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        date = parsedate_to_datetime(text)
        # Without a zone it is GMT all the same: HTTP knows no other (RFC 9110, 5.6.7).
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return max(0.0, date.timestamp() - now)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def slow_down(downloader: Downloader, host: str, delay_s: float) -> float:
    """Leave at least `delay_s` between two requests to a host; returns the delay in force.

    Scrapy's slots are where every request passes, those of robots.txt and redirects too.
    """
    if not 0 < delay_s < math.inf:
        return 0.0
    delay_s = min(delay_s, LONGEST_PAUSE_S)
    # The setting outlives the slot, which Scrapy drops when a host is idle for a minute.
    settings = downloader.per_slot_settings.setdefault(host, {})
    settings["delay"] = max(
        delay_s, settings.get("delay", downloader.settings.getfloat("DOWNLOAD_DELAY"))
    )
    if host in downloader.slots:
        downloader.slots[host].delay = settings["delay"]
    return settings["delay"]


def pause(downloader: Downloader, host: str, pause_s: float) -> None:
    """Let no request to a host start for `pause_s` seconds from now."""
    if slot := downloader.slots.get(host):
        # A slot waits until its delay has passed since this time; Scrapy has no word for a pause.
        slot.lastseen = max(slot.lastseen, time.monotonic() + pause_s - slot.delay)
        slot.delay = slot.delay or 1e-3  # without a delay the time is not looked at
