"""`.mlflow.json`: what MLflow is to be told of a folder, and what it was told already."""

import fcntl
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Literal, TextIO
from uuid import uuid4

from pydantic import Field, ValidationError

from corpus.atomic import write_bytes
from corpus.settings import Section

RECORD = ".mlflow.json"
"""A dot file beside metrics.jsonl: it names a server and is no part of what the run made."""

_LOCK = ".mlflow.lock"

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]


class Parent(Section):
    """The flow that others run under: one MLflow run, made when the first of them is recorded."""

    key: str
    """What it is found by."""
    name: str
    tags: dict[str, str] = Field(default_factory=dict)


class Dataset(Section):
    """What a run read: a name and where it lies, no data."""

    name: str
    digest: str
    """At most 36 characters: MLflow takes no more."""
    source: str


class Details(Section):
    """What else MLflow is told of a run."""

    dataset: Dataset | None = None
    """Its input."""
    texts: dict[str, str] = Field(default_factory=dict)
    """Files to keep with it, by name: the recipe."""
    parent: Parent | None = None
    """The flow that it is part of."""
    model: str | None = None
    """The name under which its checkpoint is registered when it has finished."""


class RunRecord(Section):
    """One followed run: all that a later process needs to send what this one could not."""

    uri: str
    """The MLflow that is told."""
    kind: str
    name: str
    tags: dict[str, str]
    params: dict[str, str]
    details: Details = Details()
    key: str = Field(default_factory=lambda: uuid4().hex)
    """Names the run from before MLflow gives it a number."""
    began_ms: int
    """When it began first, in milliseconds since 1970."""
    run_id: str | None = None
    """MLflow's name of it; None: MLflow has not answered yet."""
    last_step: int = 0
    """The last step that was sent."""
    told: tuple[str, ...] = ()
    """What is told once and was."""
    status: Status = "RUNNING"
    ended_ms: int | None = None
    closed: bool = False
    """MLflow knows everything, the end included."""


class RecordFile:
    """The record of one folder; only who holds its lock may write it. Safe between threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: TextIO | None = None
        self._writing = threading.Lock()
        self._record: RunRecord | None = None

    @property
    def record(self) -> RunRecord:
        """What was read or set last."""
        assert self._record is not None
        return self._record

    def acquire(self) -> bool:
        """Take the lock, which ends with this process at the latest; False: we cannot have it."""
        try:
            with ExitStack() as stack:
                lock = stack.enter_context((self.folder / _LOCK).open("a"))
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                stack.pop_all()
        except OSError:  # or a folder that we may not write
            return False
        self._lock = lock
        return True

    @property
    def is_held(self) -> bool:
        """Whether we have the lock."""
        return self._lock is not None

    def release(self) -> None:
        """Let others write."""
        with self._writing:
            if self._lock is not None:
                self._lock.close()
                self._lock = None

    def set(self, record: RunRecord) -> None:
        """Write a record; without the lock nothing happens."""
        with self._writing:
            self._write(record)

    def update(self, **changes: object) -> None:
        """Write the record with other values; without lock or record nothing happens."""
        with self._writing:
            if self._record is not None:
                self._write(self._record.model_copy(update=changes))

    def _write(self, record: RunRecord) -> None:
        if self._lock is not None:
            self._record = record
            write_bytes(self.folder / RECORD, record.model_dump_json().encode())


def read_record(folder: Path) -> RunRecord | None:
    """The record of a folder; None: there is none, or not one that this version reads."""
    try:
        return RunRecord.model_validate_json((folder / RECORD).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValidationError):
        return None
