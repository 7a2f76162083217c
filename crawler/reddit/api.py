"""Reddit's API as raw submissions: listings page by page, and batches by id.

PRAW holds the credentials, the token and the pace. A submission is the `data` of a t3 thing as the
API sent it: `Reddit.request` returns that, while PRAW's own listings turn author and subreddit into
objects of PRAW.
"""

import configparser
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from typing import Any, Literal

import praw
import requests
from praw.exceptions import MissingRequiredAttributeException, PRAWException
from prawcore.exceptions import (
    Forbidden,
    NotFound,
    OAuthException,
    PrawcoreException,
    Redirect,
    UnavailableForLegalReasons,
)

from corpus.errors import UsageError, WebtextError
from crawler.reddit.patient_requests import CREDENTIALS_HINT, PatientRequestor, Traffic

Listing = Literal["new", "top", "hot"]
Submission = dict[str, Any]
"""The `data` of a t3 thing, every field as the API sent it."""

PAGE_SIZE = 100
"""Submissions per request, of a listing and by id: the API's own limit."""

_UNREADABLE = (Forbidden, NotFound, Redirect, UnavailableForLegalReasons)
# Over an answer of another shape, PRAW, prawcore and we fail with whatever we trip over.
_ODD_ANSWER = (
    *(PrawcoreException, PRAWException),
    *(LookupError, TypeError, ValueError, AttributeError),
)


class UnreadableSubredditError(WebtextError):
    """A subreddit that is private, banned or not there; others may well be readable."""


class RedditApi:
    """Reads listings and submissions with app-only credentials."""

    def __init__(self, contact: str, sleep: Callable[[float], None] = time.sleep) -> None:
        """Find the credentials; nothing is asked of Reddit yet.

        Args:
            contact: Who runs this, for the User-Agent that Reddit's rules ask for: `u/NAME`, or an
                e-mail address.
            sleep: Waits that many seconds.

        Raises:
            UsageError: no contact, or no credentials in the environment or praw.ini.
        """
        if not contact:
            raise UsageError(
                "asking Reddit needs a contact for the User-Agent",
                hint="Say who you are: --set harvest.contact=u/YOUR_NAME (or an e-mail address).",
            )
        self.traffic = Traffic(sleep)
        self._http = requests.Session()
        self._reddit = _open(contact, {"traffic": self.traffic, "session": self._http})

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def pages(self, subreddit: str, listing: Listing, limit: int) -> Iterator[list[Submission]]:
        """A listing's submissions, up to 100 at a time, until `limit` or its end (about 1,000).

        Args:
            subreddit: Its name, or `all`.
            listing: Its order; `top` is that of the last 24 hours.
            limit: How many submissions to read at most.

        Raises:
            UnreadableSubredditError: it is private, banned, or there is none of that name.
            WebtextError: Reddit did not answer, or not in its own format.
        """
        path = f"r/{subreddit}/{listing}"
        params: dict[str, str | int] = {"t": "day"} if listing == "top" else {}
        left = limit
        while left > 0:
            try:
                page, after = self._get(path, {**params, "limit": min(left, PAGE_SIZE)})
            except _UNREADABLE as exc:
                raise UnreadableSubredditError(
                    f"r/{subreddit} cannot be read ({exc})",
                    hint="It is private, banned or misspelt: check harvest.subreddits.",
                ) from None
            yield page
            left -= len(page)
            if not page or not after:
                return
            params["after"] = after

    def by_id(self, ids: Sequence[str]) -> list[Submission]:
        """The submissions with these ids (`87`, not `t3_87`) as they are now, at most 100.

        Those that Reddit does not return are gone.

        Raises:
            WebtextError: Reddit did not answer, or not in its own format.
        """
        names = ",".join(f"t3_{each}" for each in ids)
        try:
            return self._get("api/info/", {"id": names})[0]
        except _UNREADABLE as exc:
            raise _refused("api/info/", exc) from None

    def _get(self, path: str, params: dict[str, str | int]) -> tuple[list[Submission], str | None]:
        """The submissions of one answer, and the name of the last where more follow."""
        try:
            answer = self._reddit.request(method="GET", path=path, params=params)
            things = answer["data"]["children"]
            after = answer["data"].get("after")
            return [dict(thing["data"]) for thing in things if thing.get("kind") == "t3"], after
        except _UNREADABLE:
            raise
        except OAuthException as exc:
            raise UsageError(
                f"Reddit does not accept the credentials: {exc.error}", hint=CREDENTIALS_HINT
            ) from None
        except _ODD_ANSWER as exc:
            raise _refused(path, exc) from None


def _open(contact: str, requestor_settings: dict[str, object]) -> praw.Reddit:
    try:
        reddit = praw.Reddit(
            user_agent=f"python:webtext:{version('webtext')} (by {contact})",
            requestor_class=PatientRequestor,
            requestor_kwargs=requestor_settings,
            check_for_updates=False,
            check_for_async=False,
        )
    except MissingRequiredAttributeException:
        raise UsageError("there are no Reddit credentials", hint=CREDENTIALS_HINT) from None
    except configparser.Error as exc:
        # Not its message, which may quote the file, which may hold the secret.
        raise UsageError(
            f"praw.ini, or the site in it that praw_site names, cannot be read: "
            f"{type(exc).__name__}",
            hint=CREDENTIALS_HINT,
        ) from None
    reddit.read_only = True  # also where praw.ini has a password: app-only is all we need
    return reddit


def _refused(path: str, exc: Exception) -> WebtextError:
    return WebtextError(
        f"Reddit's answer to {path} is of no use: {type(exc).__name__}: {exc}",
        hint="Try again later. If it stays so, check that the app of your credentials still exists "
        "at https://www.reddit.com/prefs/apps and that its use is approved.",
    )
