"""A takedown and all other work in a data folder keep out of each other's way."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from corpus.errors import WebtextError
from corpus.lease import at_work, leased

WITHDRAWING: Final = ".withdrawing.json"
"""In the data folder while old versions are withdrawn: what must go, should the command die."""

_WAIT: Final = "Wait for it, or stop it; then run the same command again."


@contextmanager
def alone(data: Path) -> Iterator[None]:
    """Hold the data folder for a takedown: nobody may read what is withdrawn.

    The folder is taken before the stages are asked, and a stage takes its own before it asks for
    the data folder's (`check_no_takedown`): of two that begin at once, at least one gives way.

    Raises:
        WebtextError: another command is at work in it, or another takedown.
    """
    data.mkdir(parents=True, exist_ok=True)
    with leased(data):
        for path in sorted(data.glob("*/*/.lock")):
            with path.open("a") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as exc:
                    message = f"another webtext process is at work in {path.parent}"
                    raise WebtextError(message, hint=_WAIT) from exc
            if (owner := at_work(path.parent)) is not None:  # on another machine
                message = f"another webtext process works in {path.parent}: {owner}"
                raise WebtextError(message, hint=_WAIT)
        yield


def check_no_takedown(data: Path) -> None:
    """See that no other process takes anything down, nor was killed over it.

    Raises:
        WebtextError: it does: what a stage would read may be withdrawn in the middle of it.
    """
    owner = at_work(data)
    if owner is not None and not owner.is_this_process():
        raise WebtextError(f"a takedown is at work in {data}: {owner}", hint=_WAIT)
    if owner is None and (data / WITHDRAWING).is_file():
        raise WebtextError(
            f"a takedown in {data} did not end: some of what it took down is still there",
            hint="Run `webtext corpus takedown` to complete it; then run the same command again.",
        )
