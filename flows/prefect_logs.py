"""What Prefect logs of a run: without secrets, and on the terminal of `serve` only our reports."""

import logging
import os
from typing import Final

from corpus.redact import redact

SERVED_BY: Final = "WEBTEXT_SERVED_BY"
"""The process of `webtext serve`, for the flows that it starts: they end with it."""

REPORT: Final = {"is_report": True}
"""The `extra` of a record that is to be seen on the terminal."""

_FORMATTER: Final = logging.Formatter()


def guard_logs() -> None:
    """Have all that Prefect's loggers write from now on in this process redacted.

    Under `webtext serve` its terminal gets the reports of failures alone. Tracebacks, of which
    Prefect writes one per flow and task that an error passes, stay in the log of the run.
    """
    for name in ("", "prefect.flow_runs", "prefect.task_runs"):
        for handler in logging.getLogger(name).handlers:
            _add(handler, _Redacted())
    if SERVED_BY in os.environ:
        for handler in logging.getLogger().handlers:
            _add(handler, _Reports())


def _add(handler: logging.Handler, guard: logging.Filter) -> None:
    if not any(isinstance(each, type(guard)) for each in handler.filters):
        handler.addFilter(guard)


class _Redacted(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), None
        if record.exc_info:  # every formatter takes this text where there is one
            record.exc_text = redact(_FORMATTER.formatException(record.exc_info))
        return True


class _Reports(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        is_of_runs = record.name.startswith(("prefect.flow_runs", "prefect.task_runs"))
        return not is_of_runs or REPORT.keys() <= record.__dict__.keys()
