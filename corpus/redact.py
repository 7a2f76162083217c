"""Takes passwords and keys out of texts that are logged or sent: error messages, commands."""

import re
from contextlib import suppress

_HIDDEN = "***"
# user:password@ of a URL, and token@.
_USER = re.compile(r"(?<=://)[^/\s@]+(?=@)")
# key=value and key: value, of names that secrets have; tokens are what corpora consist of.
_VALUE = re.compile(
    r"(?i)\b([\w.-]*(?:password|passwd|secret|token(?!s)|api_?key|access_?key(?:_?id)?|signature|credential)"
    r"[\w-]*)(['\"]?\s*[=:]\s*['\"]?)([^\s'\"&,;]+)"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}")


def redact(text: str) -> str:
    """`text` with `***` for the users and passwords of URLs, and for values named as secrets are.

    A guard for texts that somebody else wrote, not a proof: a secret without a name stays.
    """
    text = redact_users(text)
    text = _VALUE.sub(rf"\1\2{_HIDDEN}", text)
    return _BEARER.sub(rf"\1 {_HIDDEN}", text)


def redact_users(text: str) -> str:
    """`text` with `***` for the users and passwords of URLs: in linear time, for any input."""
    return _USER.sub(_HIDDEN, text)


def redact_error(error: BaseException | None) -> None:
    """Do the same to an error, to those in it and to all that it came of, before it is recorded.

    In place, as its class says what to do about it.
    """
    while error is not None:
        error.args = tuple(_redacted(each) for each in error.args)
        for name in ("message", "hint", "strerror", "filename", "exceptions", "__notes__"):
            if (value := getattr(error, name, None)) is not None:
                redacted = _redacted(value)
                with suppress(AttributeError):  # of a group, and of some classes, it is fixed
                    setattr(error, name, redacted)
        error = error.__cause__ or error.__context__


def _redacted(value: object) -> object:
    if isinstance(value, list):
        return [_redacted(each) for each in value]
    if isinstance(value, tuple):
        return tuple(_redacted(each) for each in value)
    if isinstance(value, BaseException):  # such as urllib3's in one of requests
        redact_error(value)
    return redact(value) if isinstance(value, str) else value
