"""MLflow: one run per finished stage, and one per training or crawl however often it is restarted.

What a training or a crawl measures is followed from a thread that reads its metrics.jsonl, so the
loop knows nothing of MLflow, and a tracking server that is slow or gone costs a warning and a
record that comes later. MLflow is imported when it is needed, not with this module: it takes three
to five seconds.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from corpus.redact import redact
from corpus.runtime import Progress
from model.tracking.live_record import LiveRecord
from model.tracking.metrics_tail import to_metric
from model.tracking.run_record import Details, Parent, RunRecord, Status, read_record
from model.tracking.sender import log_params
from model.tracking.store import PARENT, Store
from model.tracking.unsent import send_unsent

if TYPE_CHECKING:
    from mlflow.entities import Run

logger = logging.getLogger(__name__)


class NullTracker:
    """Nothing is recorded."""

    def record_run(
        self,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        artifacts: Sequence[Path] = (),
        details: Details | None = None,
    ) -> bool:
        """Do nothing."""
        return False

    def delete_artifacts(self, tags: Mapping[str, str], suffixes: tuple[str, ...]) -> list[str]:
        """Say that nobody looked."""
        return ["MLflow could not be opened: nothing was looked for there"]

    def follow(
        self,
        kind: str,
        folder: Path,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, object],
        progress: Progress,
        details: Details | None = None,
    ) -> AbstractContextManager[Progress]:
        """Hand `progress` to the body as it is."""
        return nullcontext(progress)

    def parent_of(self, folder: Path) -> Parent | None:
        """Nobody remembers."""
        return None

    def end_parent(self, parent: Parent, status: Status) -> None:
        """Do nothing."""

    def send_unsent(self, data: Path) -> None:
        """Do nothing."""


def local_uri(data: Path) -> str:
    """The tracking database in a data folder; absolute, since MLflow's own is in the CWD."""
    return f"sqlite:///{data.resolve() / 'mlflow' / 'mlflow.db'}"


def open_tracker(uri: str | None) -> "Tracker":
    """The tracker at an MLflow address (`sqlite:///...`, `http://...`); None records nothing.

    Nothing is asked of the address yet, so this takes no time and cannot fail.
    """
    return NullTracker() if uri is None else MLflowTracker(uri)


class MLflowTracker:
    """Records runs in the experiment `webtext` of one MLflow."""

    def __init__(self, uri: str) -> None:
        self._store = Store(uri)

    def record_run(
        self,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        artifacts: Sequence[Path] = (),
        details: Details | None = None,
    ) -> bool:
        """Record a finished stage: what it is, what it was given, its figures, some files.

        Name and tags are its identity: what was recorded half is completed, not recorded twice.

        Args:
            name: The run's name.
            tags: The run's tags.
            params: The run's parameters.
            metrics: The run's figures.
            artifacts: Files to keep with it.
            details: Texts to keep with it, and the flow that it is part of.

        Returns:
            Whether it is recorded, after `Store.patience_s` at most; a warning says why not.
        """
        run = (name, tags, params, metrics, artifacts, details or Details())
        return self._within(self._store.patience_s, lambda: self._record(*run))

    def delete_artifacts(self, tags: Mapping[str, str], suffixes: tuple[str, ...]) -> list[str]:
        """Delete the files that were recorded with some runs.

        Args:
            tags: What the runs are tagged with.
            suffixes: What the files' names end with.

        Returns:
            What could not be deleted: the address of each, or why nothing could be looked for.
        """
        from mlflow.exceptions import MlflowException

        where = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        kept: list[str] = []
        try:
            client, experiment = self._store.client, self._store.experiment_id
            for run in client.search_runs([experiment], where, max_results=50_000):
                for file in client.list_artifacts(run.info.run_id):
                    if file.path.endswith(suffixes) and not _delete(run, file.path):
                        kept.append(f"{run.info.artifact_uri}/{file.path}")
        except MlflowException as exc:
            kept.append(f"MLflow did not answer, nothing was looked for there: {exc}")
        return kept

    @contextmanager
    def follow(
        self,
        kind: str,
        folder: Path,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, object],
        progress: Progress,
        details: Details | None = None,
    ) -> Iterator[Progress]:
        """Record the training or crawl that writes `folder`, while the body runs.

        A thread does it, and the body waits for nothing. The same folder is the same run after a
        restart. Leaving the body ends the run and waits up to `Store.patience_s` for what is not
        sent; what remains is sent by the next `follow` of the folder, or by `send_unsent`.

        Args:
            kind: Prefix of the metrics' names: `train` makes `loss` be `train/loss`.
            folder: Where metrics.jsonl grows: an object per line with `step` and numbers; `time`,
                in seconds since 1970, is when a step was taken.
            name: The run's name.
            tags: The run's tags.
            params: The run's parameters.
            progress: Given to the body as it is.
            details: Further things to tell.
        """
        begun = RunRecord(
            uri=self._store.uri,
            kind=kind,
            name=name,
            tags=dict(tags),
            params={key: str(value) for key, value in params.items()},
            details=details or Details(),
            began_ms=int(time.time() * 1000),
        )
        record = LiveRecord(self._store, begun, folder)
        record.begin()
        status: Status = "KILLED"
        try:
            yield progress
            status = "FINISHED"
        except Exception:
            status = "FAILED"
            raise
        finally:
            if not record.end(status, self._store.patience_s):
                uri = self._store.uri
                logger.warning("MLflow at %s lacks a part of %s: it is sent later", uri, folder)

    def parent_of(self, folder: Path) -> Parent | None:
        """The flow that the training or crawl in `folder` was begun in."""
        record = read_record(folder)
        return record.details.parent if record and record.uri == self._store.uri else None

    def end_parent(self, parent: Parent, status: Status) -> None:
        """End the run of a flow, if any run was recorded under it."""
        self._within(self._store.patience_s, lambda: self._end(parent, status))

    def send_unsent(self, data: Path) -> None:
        """Send, in the background, what trainings and crawls below `data` could not."""
        send_unsent(self._store, data)

    def _record(
        self,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        artifacts: Sequence[Path],
        details: Details,
    ) -> None:
        store = self._store
        key = _key(name, tags)
        all_tags, parent = dict(tags), details.parent
        if parent is not None:
            all_tags[PARENT] = store.find_or_create(parent.key, parent.name, parent.tags)
        run_id = store.find_or_create(key, name, all_tags)
        info = store.client.get_run(run_id).info
        if info.status == "FINISHED":
            return
        log_params(store, run_id, params)
        time_s = info.start_time / 1000  # the same each time: MLflow keeps one of two equal ones
        figures = [to_metric(key, value, 0, time_s) for key, value in metrics.items()]
        store.client.log_batch(run_id, metrics=figures)
        for path in artifacts:
            store.client.log_artifact(run_id, str(path))
        for file, text in details.texts.items():
            store.client.log_text(run_id, text, file)
        store.client.set_terminated(run_id, "FINISHED")

    def _end(self, parent: Parent, status: Status) -> None:
        run_id = self._store.find(parent.key)
        if run_id is not None:
            self._store.client.set_terminated(run_id, status)

    def _within(self, seconds: float, work: Callable[[], None]) -> bool:
        """Do something with MLflow, or give up waiting; whether it was done."""
        outcome: list[Exception | None] = []

        def attempt() -> None:
            try:
                work()
                outcome.append(None)
            except Exception as exc:  # MLflow's errors are of many kinds, and none is ours to raise
                outcome.append(exc)

        thread = threading.Thread(target=attempt, daemon=True)
        thread.start()
        thread.join(seconds)
        if outcome == [None]:
            return True
        reason = redact(str(outcome[0])) if outcome else f"no answer in {seconds:.0f} s"
        logger.warning("not recorded in MLflow at %s: %s", self._store.uri, reason)
        return False


def _key(name: str, tags: Mapping[str, str]) -> str:
    identity = orjson.dumps([name, dict(tags)], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(identity).hexdigest()[:32]


def _delete(run: "Run", path: str) -> bool:
    """Delete one file of a run; False: its store cannot, or does not let us."""
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    try:
        get_artifact_repository(str(run.info.artifact_uri)).delete_artifacts(path)
    except (MlflowException, NotImplementedError, OSError) as exc:
        logger.warning("%s of run %s was not deleted: %s", path, run.info.run_id, exc)
        return False
    return True


Tracker = MLflowTracker | NullTracker
"""Where finished stages, trainings and crawls are recorded, or not."""
