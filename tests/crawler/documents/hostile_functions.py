"""What a page may do to the process that extracts it: functions for worker processes to run.

A module of its own, as each pool imports it anew: it must be light.
"""

import os
import re
import signal
import time
from pathlib import Path
from typing import Any

from corpus.errors import WebtextError

MIB = 1 << 20
_hoard: list[bytearray] = []


class UnpicklableHere:
    """Pickled without complaint, and never unpickled."""

    def __call__(self, page: str) -> str:
        return page

    def __reduce__(self):
        return _refuse, ()


def _refuse() -> None:
    raise ValueError("not in this process")


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


def behave(page: str) -> Any:
    """Do what the page says; `say WORD` is the page of a good citizen."""
    action, _, argument = page.partition(" ")
    return _ACTIONS[action](argument)


def behave_slowly(page: str) -> Any:
    time.sleep(0.002 * (hash_of(page) % 5))
    return behave(page)


def hash_of(page: str) -> int:
    return sum(page.encode())


def _hang_in_c(_: str) -> object:
    # Exponential backtracking: one call into C that holds the interpreter, deaf to all handlers.
    return re.match(r"(a+)+$", "a" * 60 + "b")


def _report_and_hang(path: str) -> object:
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()}\n")
    return _hang_in_c("")


def _hang_asleep(_: str) -> None:
    time.sleep(3600)


def _sleep(argument: str) -> float:
    time.sleep(float(argument))
    return float(argument)


def _allocate(argument: str) -> int:
    return len(bytearray(int(argument) * MIB))


def _swallow_memory_error(argument: str) -> str:
    # As libraries do: whatever fits, then half a text.
    try:
        while True:
            _hoard.append(bytearray(int(argument) * MIB))
    except MemoryError:
        _hoard.clear()
    return "half a text"


def _leak(argument: str) -> str:
    _hoard.append(bytearray(int(argument) * MIB))
    return "leaked"


def _raise_memory_error(_: str) -> None:
    raise MemoryError


def _kill_self(argument: str) -> None:
    os.kill(os.getpid(), signal.Signals[argument])
    time.sleep(60)


def _exit(argument: str) -> None:
    os._exit(int(argument))


def _exit_politely(argument: str) -> None:
    raise SystemExit(int(argument))


def _raise(argument: str) -> None:
    raise ValueError(f"{argument} in {object()!r}")


def _raise_unspeakable(_: str) -> None:
    raise UnspeakableError


def _raise_for_a_person(argument: str) -> None:
    raise WebtextError(f"{argument} is damaged", hint="Fetch it again.")


def _recurse(_: str) -> object:
    return _recurse(_)


def _hang_up(_: str) -> None:
    os.closerange(3, 100)
    time.sleep(3600)


_ACTIONS = {
    "say": lambda word: word,
    "pid": lambda _: os.getpid(),
    "report_and_hang": _report_and_hang,
    "hang_in_c": _hang_in_c,
    "hang_asleep": _hang_asleep,
    "hang_up": _hang_up,
    "sleep": _sleep,
    "allocate": _allocate,
    "swallow_memory_error": _swallow_memory_error,
    "leak": _leak,
    "raise_memory_error": _raise_memory_error,
    "kill_self": _kill_self,
    "exit": _exit,
    "exit_politely": _exit_politely,
    "raise": _raise,
    "raise_unspeakable": _raise_unspeakable,
    "raise_for_a_person": _raise_for_a_person,
    "recurse": _recurse,
    "answer_unpicklable": lambda _: lambda: None,
    "answer_unpicklable_here": lambda _: UnpicklableHere(),
    "answer_bytes": lambda count: bytes(int(count)),
}
