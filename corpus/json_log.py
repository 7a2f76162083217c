"""Log lines as JSON, one object each, where WEBTEXT_LOG=json asks for it.

Every line has `time` (UTC, ISO 8601), `level` (as Python's logging names them, lower case) and
`message`; what comes from a logger has `logger`, an exception its `traceback`.
"""

import logging
import os
import sys
from datetime import UTC, datetime

import orjson

from corpus.errors import UsageError
from corpus.redact import redact

VARIABLE = "WEBTEXT_LOG"


def wants_json() -> bool:
    """Whether lines are to be JSON; child processes inherit the answer.

    Raises:
        UsageError: the variable has a value that means nothing.
    """
    value = os.environ.get(VARIABLE, "")
    if value not in ("", "text", "json"):
        raise UsageError(
            f"{VARIABLE}={value} means nothing", hint=f"Set {VARIABLE}=json, or unset it."
        )
    return value == "json"


def json_line(level: str, message: str, moment: datetime | None = None, /, **fields: object) -> str:
    """One line, without its end; fields that are None are left out."""
    head = {"time": moment or datetime.now(UTC), "level": level, "message": message}
    line = head | {name: value for name, value in fields.items() if value is not None}
    return orjson.dumps(line, default=str, option=orjson.OPT_UTC_Z).decode()


def write_json(level: str, message: str, **fields: object) -> None:
    """Say something on stderr, in one piece: other threads and processes write there too."""
    sys.stderr.write(json_line(level, message, **fields) + "\n")
    sys.stderr.flush()


class JsonFormatter(logging.Formatter):
    """A log record of any library as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        return json_line(
            record.levelname.lower(),
            redact(record.getMessage()),
            datetime.fromtimestamp(record.created, UTC),
            logger=record.name,
            traceback=redact(self.formatException(record.exc_info)) if record.exc_info else None,
        )
