"""A long-lived child process that speaks JSON lines and never outlives its parent.

The crawler and the trainer run as `python -m MODULE` of their own: own memory, own log, own
kill. Each prints one JSON object per line on stdout; anything else it says goes to a log file.
"""

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import orjson

from corpus.errors import PassingError, WebtextError

_WATCH = "WEBTEXT_EXIT_WITH_PARENT"
_GRACE_S = 10


def run_child(
    arguments: list[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    grace_s: float = _GRACE_S,
    open_files: Sequence[int] = (),
) -> Generator[dict, None, None]:
    """Run `python -m ARGUMENTS...` and yield each JSON object that it prints.

    The child's stdin is a pipe that we hold: when we are gone, by whatever signal, it reads the
    end of it and exits (see `exit_with_parent`). Closing the generator stops the child: SIGTERM,
    and SIGKILL after the grace, or at once where that is interrupted.

    Args:
        arguments: The module and its arguments.
        log: Where the child's stderr goes, appended.
        environment: Variables to add to ours.
        grace_s: Seconds that the child may take to stop.
        open_files: Descriptors of ours that the child has too, under the same numbers.

    Raises:
        WebtextError: the child failed; the message holds the end of its log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, **(environment or {}), _WATCH: "1"},
            pass_fds=open_files,
            start_new_session=True,  # Ctrl-C is the parent's to answer
        )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith(b"{"):
                yield orjson.loads(line)
        if process.wait() != 0:
            kind = PassingError if process.returncode == -signal.SIGKILL else WebtextError
            raise kind(
                f"{arguments[0]} ended with status {process.returncode}:\n{_tail(log)}",
                hint=f"The whole log is {log}. Run the same command again to go on.",
            )
    finally:
        _stop(process, grace_s)


def has_parent() -> bool:
    """Whether `run_child` started this process and reads what it prints."""
    return bool(os.environ.get(_WATCH))


def exit_with_parent() -> None:
    """Exit this process when the one that started it through `run_child` is gone.

    Without effect in a process that a person or torchrun started.
    """
    if has_parent():
        threading.Thread(target=_wait_for_end_of_stdin, daemon=True).start()


def emit(message: dict) -> None:
    """Print one JSON object for the parent's `run_child`."""
    sys.stdout.buffer.write(orjson.dumps(message, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n")
    sys.stdout.buffer.flush()


def _wait_for_end_of_stdin() -> None:
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGKILL) if os.getpgid(0) == os.getpid() else os._exit(1)


def _stop(process: subprocess.Popen[bytes], grace_s: float) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
        except BaseException:  # Ctrl-C once more: no patience left
            os.killpg(process.pid, signal.SIGKILL)
            raise
    process.wait()
    process.stdin.close()
    process.stdout.close()


def _tail(log: Path, num_lines: int = 12) -> str:
    with log.open(errors="replace") as lines:
        return "".join(f"  | {line}" for line in deque(lines, num_lines)).rstrip()
