"""`webtext` and `python -m flows`: run a command, turn a failure into a message and a remedy."""

import logging
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path

from rich.console import Console

from corpus.errors import UsageError, WebtextError
from flows.commands.app import app

STOPPED = 130  # what typer exits with after Ctrl-C


def main() -> None:
    """Run the command line; print failures as a message and a remedy, without a traceback."""
    logging.getLogger("model").addHandler(_Warnings(logging.WARNING))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: children are stopped
    sys.exit(run_command())


class _Warnings(logging.Handler):
    """Says what went wrong without stopping us, above the progress bars."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"Warning: {record.getMessage()}\n")


def run_command() -> int:
    """Run the command in sys.argv; report a failure; return the exit code."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        app()
    except SystemExit as exc:
        if exc.code == STOPPED:
            errors.print("Stopped. Run the same command again: it goes on where it was.")
        return exc.code if isinstance(exc.code, int) else 0
    except WebtextError as exc:
        errors.print(f"Error: {exc.message}", style="red", markup=False)
        errors.print(f"  {exc.hint}", markup=False)
        return 2 if isinstance(exc, UsageError) else 1
    except Exception as exc:  # the last resort: a person gets one line, and the rest in a file
        descriptor, log = tempfile.mkstemp(prefix="webtext-error-", suffix=".log")
        Path(log).write_text(traceback.format_exc(), encoding="utf-8")
        os.close(descriptor)
        errors.print(f"Error: unexpected {type(exc).__name__}: {exc}", style="red", markup=False)
        errors.print(f"  This is a bug in webtext. The traceback is in {log}", markup=False)
        return 1
    return 0


if __name__ == "__main__":
    main()
