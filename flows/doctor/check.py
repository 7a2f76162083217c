"""One line of the doctor: what was looked at, whether it will do, and what to do if not."""

from dataclasses import dataclass
from typing import Literal

from corpus.redact import redact_users

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Check:
    """What was found of one thing."""

    name: str
    status: Status
    """`warn`: some commands will not work, or not well; `fail`: what was asked for cannot work."""
    seen: str
    """Without the passwords of addresses."""
    remedy: str = ""
    """What to do, in the imperative; empty where all is well."""


def ok(name: str, seen: str) -> Check:
    """All is well."""
    return Check(name, "ok", redact_users(seen))


def warn(name: str, seen: str, remedy: str) -> Check:
    """Something will not work, or not well."""
    return Check(name, "warn", redact_users(seen), remedy)


def fail(name: str, seen: str, remedy: str) -> Check:
    """What was asked for cannot work."""
    return Check(name, "fail", redact_users(seen), remedy)
