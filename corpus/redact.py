"""Takes passwords and keys out of texts that are logged or sent: error messages, commands."""

import re

_HIDDEN = "***"
# user:password@ of a URL, and token@.
_USER = re.compile(r"(?<=://)[^/\s@]+(?=@)")
# key=value and key: value, of names that secrets have.
_VALUE = re.compile(
    r"(?i)\b([\w.-]*(?:password|passwd|secret|token|api_?key|access_?key|signature|credential)"
    r"[\w-]*)(['\"]?\s*[=:]\s*['\"]?)([^\s'\"&,;]+)"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}")


def redact(text: str) -> str:
    """`text` with `***` for the users and passwords of URLs, and for values named as secrets are.

    A guard for texts that somebody else wrote, not a proof: a secret without a name stays.
    """
    text = _USER.sub(_HIDDEN, text)
    text = _VALUE.sub(rf"\1\2{_HIDDEN}", text)
    return _BEARER.sub(rf"\1 {_HIDDEN}", text)
