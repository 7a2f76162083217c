"""`webtext` and `python -m flows`: run a command, turn a failure into a message and a remedy."""

import logging
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path

from corpus.errors import UsageError, WebtextError
from corpus.json_log import VARIABLE, JsonFormatter, wants_json
from corpus.redact import redact
from flows.commands.app import app
from flows.commands.tell_outcome import JsonOutcome, TextOutcome


def main() -> None:
    """Run the command line; print failures as a message and a remedy, without a traceback."""
    _listen_to_loggers()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: children are stopped
    sys.exit(run_command())


class _Warnings(logging.Handler):
    """Says what went wrong without stopping us, above the progress bars."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"Warning: {redact(record.getMessage())}\n")


def _listen_to_loggers() -> None:
    if os.environ.get(VARIABLE) != "json":
        logging.getLogger("model").addHandler(_Warnings(logging.WARNING))
        return
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    # Prefect's loggers pass their records on to the root's handlers, if there are any.
    logging.getLogger().addHandler(handler)


def run_command() -> int:
    """Run the command in sys.argv; report a failure; return the exit code.

    Where WEBTEXT_LOG=json, what it printed and how it failed are lines of JSON on stderr too.
    """
    outcome = TextOutcome()
    try:
        if wants_json():
            outcome = JsonOutcome()
        app()
    except SystemExit as exc:
        exit_code = exc.code if isinstance(exc.code, int) else 0
        outcome.ended(exit_code)
        return exit_code
    except WebtextError as exc:
        exit_code = 2 if isinstance(exc, UsageError) else 1
        outcome.failed(exc.message, exc.hint, exit_code)
        return exit_code
    except Exception as exc:  # the last resort: a person gets one line, and the rest in a file
        descriptor, log = tempfile.mkstemp(prefix="webtext-error-", suffix=".log")
        Path(log).write_text(redact(traceback.format_exc()), encoding="utf-8")
        os.close(descriptor)
        problem = redact(f"unexpected {type(exc).__name__}: {exc}")
        outcome.failed(problem, f"This is a bug in webtext. The traceback is in {log}", 1)
        return 1
    return 0


if __name__ == "__main__":
    main()
