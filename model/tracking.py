"""MLflow: one run per finished stage, and one per training or crawl however often it is restarted.

The parent logs what the trainer or the crawl wrote to metrics.jsonl, so neither knows anything of
MLflow, and a tracking server that is gone costs a warning, not a training. MLflow is imported
when a tracker is opened, not with this module: it takes three to five seconds.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.runtime import Progress
from model.live_record import LiveRecord, failure_is_a_warning, to_metric

if TYPE_CHECKING:
    from mlflow.entities import Run

logger = logging.getLogger(__name__)

EXPERIMENT = "webtext"

_PARAMS_PER_CALL = 100  # MLflow takes no more in one call
_MAX_VALUE_LENGTH = 5000

_ENVIRONMENT = {
    # MLflow reads the literal "true" only.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    # Its own defaults wait for a dead server for minutes, at every call.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


class NullTracker:
    """Nothing is recorded."""

    def record_run(
        self,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        artifacts: Sequence[Path] = (),
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
    ) -> AbstractContextManager[Progress]:
        """Hand `progress` to the body as it is."""
        return nullcontext(progress)


def local_uri(data: Path) -> str:
    """The tracking database in a data folder; absolute, since MLflow's own is in the CWD."""
    return f"sqlite:///{data.resolve() / 'mlflow' / 'mlflow.db'}"


def open_tracker(uri: str | None) -> "Tracker":
    """The tracker at an MLflow address (`sqlite:///...`, `http://...`); None records nothing.

    A server or database that cannot be reached costs a warning and the records, nothing else.
    """
    if uri is None:
        return NullTracker()
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow.exceptions import MlflowException

    try:
        return MLflowTracker(uri)
    except MlflowException as exc:
        logger.warning("nothing will be recorded, MLflow at %s failed: %s", uri, exc)
        return NullTracker()


class MLflowTracker:
    """Records runs in the experiment `webtext` of one MLflow."""

    def __init__(self, uri: str) -> None:
        from mlflow import MlflowClient

        # Creating the database prints its migrations otherwise.
        logging.getLogger("alembic").setLevel(logging.WARNING)
        location = None
        if uri.startswith("sqlite:///"):
            folder = Path(uri.removeprefix("sqlite:///")).parent
            folder.mkdir(parents=True, exist_ok=True)
            location = (folder / "artifacts").as_uri()
        self._uri = uri
        self._client = MlflowClient(tracking_uri=uri)
        found = self._client.get_experiment_by_name(EXPERIMENT)
        self._experiment_id = (
            found.experiment_id
            if found
            else self._client.create_experiment(EXPERIMENT, artifact_location=location)
        )

    def record_run(
        self,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        artifacts: Sequence[Path] = (),
    ) -> bool:
        """Record a finished stage: what it is, what it was given, its figures, some files.

        Returns:
            Whether it is recorded; if it is not, a warning says why.
        """
        with failure_is_a_warning():
            run_id = self._create(name, tags, params)
            figures = [to_metric(key, value, step=0) for key, value in metrics.items()]
            self._client.log_batch(run_id, metrics=figures)
            for path in artifacts:
                self._client.log_artifact(run_id, str(path))
            self._client.set_terminated(run_id, "FINISHED")
            return True
        return False

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
            for run in self._client.search_runs([self._experiment_id], where, max_results=50_000):
                for file in self._client.list_artifacts(run.info.run_id):
                    if file.path.endswith(suffixes) and not self._delete(run, file.path):
                        kept.append(f"{run.info.artifact_uri}/{file.path}")
        except MlflowException as exc:
            kept.append(f"MLflow did not answer, nothing was looked for there: {exc}")
        return kept

    def _delete(self, run: "Run", path: str) -> bool:
        """Delete one file of a run; False: its store cannot, or does not let us."""
        from mlflow.exceptions import MlflowException
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        try:
            get_artifact_repository(str(run.info.artifact_uri)).delete_artifacts(path)
        except (MlflowException, NotImplementedError, OSError) as exc:
            logger.warning("%s of run %s was not deleted: %s", path, run.info.run_id, exc)
            return False
        return True

    @contextmanager
    def follow(
        self,
        kind: str,
        folder: Path,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, object],
        progress: Progress,
    ) -> Iterator[Progress]:
        """Record the training or crawl that writes `folder`, while the body runs.

        The body reports to the `Progress` it is given, which passes everything on to `progress`.
        The same folder is the same run after a restart; leaving the body ends it.

        Args:
            kind: Prefix of the metrics' names: `train` makes `loss` be `train/loss`.
            folder: Where metrics.jsonl grows: an object per line with `step` and numbers.
            name: The run's name.
            tags: The run's tags.
            params: The run's parameters.
            progress: Where the body's reports go.
        """
        record = LiveRecord(self._client, kind, folder, progress)
        with failure_is_a_warning():
            if not record.reopen(self._uri):
                record.begin(self._uri, self._create(name, tags, params))
        status = "KILLED"
        try:
            yield record
            status = "FINISHED"
        except Exception:
            status = "FAILED"
            raise
        finally:
            with failure_is_a_warning():
                record.log_new_steps()
                record.end(status)

    def _create(self, name: str, tags: Mapping[str, str], params: Mapping[str, object]) -> str:
        from mlflow.entities import Param

        run_id = self._client.create_run(
            self._experiment_id, run_name=name, tags=dict(tags)
        ).info.run_id
        values = [Param(key, str(value)[:_MAX_VALUE_LENGTH]) for key, value in params.items()]
        for start in range(0, len(values), _PARAMS_PER_CALL):
            self._client.log_batch(run_id, params=values[start : start + _PARAMS_PER_CALL])
        return run_id


Tracker = MLflowTracker | NullTracker
"""Where finished stages and training runs are recorded, or not: the same two methods."""
