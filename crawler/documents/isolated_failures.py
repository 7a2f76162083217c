"""Why a page has no result: how the end of its worker, or its exception, reads as a reject."""

import signal
from dataclasses import dataclass

from crawler.documents.isolated_worker import Limits

WALL_PER_CPU_TIME = 4
"""How much more time may pass on the clock than on the page's own."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no result: a reject reason and what was found, the same in every run."""

    reason: str
    """`timeout`, `crashed`, `out_of_memory` or `extract_error`."""
    detail: str
    """The limit that was passed, the signal or exit status, or the exception."""


def failure_of_exit(exit_code: int | None, limits: Limits) -> Failure:
    """What the exit code of a worker's process says: negative is a signal, None unknown."""
    if exit_code is None:
        return Failure("crashed", "killed with all workers")
    if exit_code >= 0:
        return Failure("crashed", f"exit status {exit_code}")
    if is_out_of_time(exit_code):
        return failure_by_time(limits)
    known = {each.value: each.name for each in signal.Signals}
    return Failure("crashed", known.get(-exit_code, f"signal {-exit_code}"))


def is_out_of_time(exit_code: int | None) -> bool:
    """Whether the kernel's CPU timer ended the process, which no accident does."""
    return exit_code == -signal.SIGPROF


def failure_by_time(limits: Limits) -> Failure:
    """A page that computes for too long, or waits for ever.

    The same words for both: which limit a page meets first depends on how loaded the machine is.
    """
    return Failure("timeout", f"{limits.timeout_s:g} s")


def failure_by_memory(limits: Limits) -> Failure:
    """A page that takes too much memory."""
    return Failure("out_of_memory", f"{limits.memory_bytes >> 20} MiB")
