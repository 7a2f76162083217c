"""MLflow: one run per finished stage, and one per training or crawl however often it is restarted.

The parent logs what the trainer or the crawl wrote to metrics.jsonl, so neither knows anything of
MLflow, and a tracking server that is gone costs a warning, not a training. MLflow is imported
when a tracker is opened, not with this module: it takes three to five seconds.
"""

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from corpus.atomic import write_bytes
from corpus.metrics import read_metrics
from corpus.runtime import Progress

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

logger = logging.getLogger(__name__)

EXPERIMENT = "webtext"

# A dot file: it names a database and is no part of what the run made.
_RUN_FILE = ".mlflow.json"
# MLflow takes at most 1,000 metrics and 100 parameters in one call.
_METRICS_PER_CALL, _PARAMS_PER_CALL = 1000, 100
_MAX_VALUE_LENGTH = 5000
_LOG_EVERY_S = 15.0
_NAMES = {"val_loss": "val/loss"}

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
        with _failure_is_a_warning():
            run_id = self._create(name, tags, params)
            figures = [_metric(key, value, step=0) for key, value in metrics.items()]
            self._client.log_batch(run_id, metrics=figures)
            for path in artifacts:
                self._client.log_artifact(run_id, str(path))
            self._client.set_terminated(run_id, "FINISHED")
            return True
        return False

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
        record = _LiveRecord(self._client, kind, folder, progress)
        with _failure_is_a_warning():
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
            with _failure_is_a_warning():
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


class _LiveRecord:
    """A `Progress` that logs the new lines of metrics.jsonl every 15 seconds on its way."""

    def __init__(self, client: "MlflowClient", kind: str, folder: Path, progress: Progress) -> None:
        self._client = client
        self._kind = kind
        self._folder = folder
        self._progress = progress
        self._run_id: str | None = None  # None: MLflow failed, nothing is recorded
        self._last_step = 0
        self._logged_at = time.monotonic()

    def begin(self, uri: str, run_id: str) -> None:
        """Remember, beside what is made, in which run it is recorded."""
        self._run_id = run_id
        content = orjson.dumps({"uri": uri, "run_id": run_id})
        write_bytes(self._folder / _RUN_FILE, content)

    def reopen(self, uri: str) -> bool:
        """Go on with the run that an earlier process began; False if there is none at `uri`."""
        from mlflow.exceptions import MlflowException

        path = self._folder / _RUN_FILE
        remembered = orjson.loads(path.read_bytes()) if path.is_file() else {}
        if remembered.get("uri") != uri:
            return False
        try:
            self._client.update_run(remembered["run_id"], status="RUNNING")
            last_step = self._newest_step(remembered["run_id"])
        except MlflowException:
            logger.warning("MLflow has no run %s any more: recording anew", remembered["run_id"])
            return False
        self._run_id = remembered["run_id"]
        self._last_step = last_step
        return True

    def start(self, total: int | None, unit: str) -> None:
        """Pass it on."""
        self._progress.start(total, unit)

    def advance(self, count: int = 1, note: str = "") -> None:
        """Pass it on, and log what is new now and then."""
        self._progress.advance(count, note)
        if time.monotonic() - self._logged_at > _LOG_EVERY_S:
            with _failure_is_a_warning():
                self.log_new_steps()
            self._logged_at = time.monotonic()

    def report(self, figures: Mapping[str, float]) -> None:
        """Pass it on."""
        self._progress.report(figures)

    def log_new_steps(self) -> None:
        """Send the steps that are not yet recorded; a resumed run's repeated ones are."""
        new = [line for line in read_metrics(self._folder) if line["step"] > self._last_step]
        if self._run_id is None or not new:
            return
        metrics = [metric for line in new for metric in self._to_mlflow(line)]
        for start in range(0, len(metrics), _METRICS_PER_CALL):
            batch = metrics[start : start + _METRICS_PER_CALL]
            self._client.log_batch(self._run_id, metrics=batch)
        self._last_step = new[-1]["step"]

    def _newest_step(self, run_id: str) -> int:
        names = self._client.get_run(run_id).data.metrics
        # All but the held-out loss are in every line: any of them knows the last step.
        name = min((name for name in names if name.startswith(f"{self._kind}/")), default=None)
        history = self._client.get_metric_history(run_id, name) if name else []
        return max((metric.step for metric in history), default=0)

    def _to_mlflow(self, line: dict) -> list["Metric"]:
        return [
            _metric(_NAMES.get(key, f"{self._kind}/{key}"), value, line["step"])
            for key, value in line.items()
            if key != "step" and isinstance(value, int | float)
        ]

    def end(self, status: str) -> None:
        """Close the run."""
        if self._run_id is not None:
            self._client.set_terminated(self._run_id, status)


def _metric(name: str, value: float, step: int) -> "Metric":
    from mlflow.entities import Metric

    return Metric(name, float(value), int(time.time() * 1000), step)


@contextmanager
def _failure_is_a_warning() -> Iterator[None]:
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as exc:
        logger.warning("not recorded in MLflow: %s", exc)
