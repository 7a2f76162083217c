"""Failures of the trainer that another attempt would only repeat, remembered in the run's folder.

torchrun starts its processes again whatever they died of. That mends a lost process, not a full
disk or a loss that is no number: the attempt after such a failure ends at once, with its words.
"""

import os
from pathlib import Path

import orjson

from corpus.atomic import write_bytes
from corpus.errors import WebtextError

_FAILURE = ".failure.json"


def remember_failure(output: Path, error: WebtextError) -> None:
    """Keep why the training failed, for its next attempt and for who started it."""
    failure = {"launch": _launch(), "message": error.message, "hint": error.hint}
    try:
        write_bytes(output / _FAILURE, orjson.dumps(failure))
    except (OSError, WebtextError):  # it may be the disk that failed: then the log has to do
        return


def refuse_to_repeat(output: Path) -> None:
    """End an attempt that would fail like the one before it.

    Raises:
        WebtextError: an earlier attempt of the same launch failed for good.
    """
    failure, launch = _read(output), _launch()
    if failure and launch and failure["launch"] == launch:
        raise WebtextError(failure["message"], hint=failure["hint"])


def remembered_failure(output: Path) -> WebtextError | None:
    """Why the last training failed, if it said so."""
    failure = _read(output)
    return WebtextError(failure["message"], hint=failure["hint"]) if failure else None


def forget_failure(output: Path) -> None:
    """A new launch begins."""
    (output / _FAILURE).unlink(missing_ok=True)


def _launch() -> str | None:
    """What tells this launch of torchrun from others; None where nothing does."""
    name = os.environ.get("TORCHELASTIC_RUN_ID")
    return None if name == "none" else name  # torchrun's default, the same for every launch


def _read(output: Path) -> dict[str, str]:
    path = output / _FAILURE
    return orjson.loads(path.read_bytes()) if path.is_file() else {}
