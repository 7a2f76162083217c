"""Requests to Reddit that wait as they are told, and try again, before prawcore hears of a failure.

prawcore keeps the pace that the x-ratelimit headers ask for, and gets a new token when one has
expired. But it gives up on 429 at once, on a failing token endpoint at once, and on a server error
or a broken connection after two more tries within seconds.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests
from prawcore import Requestor
from prawcore.exceptions import RequestException

from corpus.errors import UsageError, WebtextError
from crawler.pages.manners import parse_retry_after

CREDENTIALS_HINT = (
    "Make an app of type 'script' at https://www.reddit.com/prefs/apps, then set the environment "
    "variables praw_client_id and praw_client_secret (or client_id and client_secret in the "
    "[DEFAULT] section of ~/.config/praw.ini)."
)

_TRIES = 6
_FIRST_WAIT_S = 1.0  # doubled each time: 1 + 2 + 4 + 8 + 16 s before we give up
# The window of Reddit's rate limit is 600 s; who is told to wait for longer is told something else.
_LONGEST_WAIT_S = 900.0
_REQUEST_TIMEOUT, _TOO_MANY_REQUESTS = 408, 429
_BROKEN = (
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


@dataclass
class Traffic:
    """How a client waits, and how much it has asked and waited so far."""

    sleep: Callable[[float], None] = time.sleep
    num_requests: int = 0
    waited_s: float = 0.0

    def wait(self, seconds: float) -> None:
        """Sleep, and count it."""
        self.waited_s += seconds
        self.sleep(seconds)


class PatientRequestor(Requestor):
    """Sends a request until there is an answer worth passing on."""

    def __init__(self, *, traffic: Traffic, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(**settings)
        self._traffic = traffic

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:  # noqa: ANN401
        """Send it, and again after 429, 5xx, a broken connection or a body that is no JSON.

        Raises:
            UsageError: Reddit does not accept the credentials.
            WebtextError: it still fails after the last try, or asks for too long a wait.
        """
        problem = ""
        for attempt in range(_TRIES):
            response, problem = self._try(args, kwargs)
            if response is not None and not problem:
                return _readable_refusal(response)
            wait_s = _wait_s(response, _FIRST_WAIT_S * 2**attempt)
            if wait_s > _LONGEST_WAIT_S:
                problem += f", and asks to wait {wait_s:,.0f} s"
                break
            if attempt < _TRIES - 1:
                self._traffic.wait(wait_s)
        raise WebtextError(
            f"Reddit does not answer {args[1]}: {problem}",
            hint="Try again later (https://www.redditstatus.com says whether it is down): what was "
            "found is kept.",
        )

    def _try(self, args: tuple, kwargs: dict) -> tuple[requests.Response | None, str]:
        """One try: the response if any, and what is wrong with it."""
        self._traffic.num_requests += 1
        try:
            response = super().request(*args, **kwargs)
        except RequestException as exc:
            if not isinstance(exc.original_exception, _BROKEN):
                raise
            return None, type(exc.original_exception).__name__
        status = response.status_code
        if status >= 500 or status in (_REQUEST_TIMEOUT, _TOO_MANY_REQUESTS):
            return response, f"HTTP {status}"
        return response, "" if _is_readable(response) else "the answer is no JSON"


def _is_readable(response: requests.Response) -> bool:
    if response.status_code != requests.codes.ok:
        return True  # only its status matters
    try:
        response.json()
    except ValueError:
        return False
    return True


def _readable_refusal(response: requests.Response) -> requests.Response:
    """Turn wrong credentials into an error of ours, and other refusals into prawcore's."""
    status = response.status_code
    if response.url.endswith("/api/v1/access_token") and status in (400, 401, 403):
        raise UsageError(
            f"Reddit does not accept the credentials: HTTP {status}", hint=CREDENTIALS_HINT
        )
    # prawcore looks this header's last word up in a table, which fails with a KeyError for words
    # that it does not know, and for a 401 without the header.
    if status == requests.codes.unauthorized:
        response.headers["www-authenticate"] = 'Bearer error="invalid_token"'
    elif status == requests.codes.forbidden:
        response.headers.pop("www-authenticate", None)
    return response


def _wait_s(response: requests.Response | None, backoff_s: float) -> float:
    """Seconds until the next try: what the answer asks for, and at least `backoff_s`."""
    if response is None:
        return backoff_s
    retry_after = response.headers.get("retry-after", "").encode("latin-1", "replace")
    asked_s = parse_retry_after(retry_after, time.time())
    if asked_s is None and response.status_code == _TOO_MANY_REQUESTS:
        try:
            asked_s = float(response.headers.get("x-ratelimit-reset", ""))
        except ValueError:
            return backoff_s
    return max(backoff_s, asked_s or 0.0)
