"""Notes on an error at which stage and in which folder it came, for who reports it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from corpus.redact import redact_error


@dataclass(frozen=True)
class FailedStage:
    """Where a flow failed."""

    name: str
    folder: Path


@contextmanager
def named_stage(name: str, folder: Path) -> Iterator[None]:
    """Note the stage on whatever error leaves the body, and take secrets out of its text."""
    try:
        yield
    except BaseException as exc:
        redact_error(exc)  # Prefect keeps its text and its traceback
        exc.failed_stage = FailedStage(name, folder)  # type: ignore[attr-defined]
        raise


def failed_stage(error: BaseException | None) -> FailedStage | None:
    """The stage that an error, or one that it came of, left; None: it was in none."""
    while error is not None:
        if isinstance(found := getattr(error, "failed_stage", None), FailedStage):
            return found
        error = error.__cause__ or error.__context__
    return None
