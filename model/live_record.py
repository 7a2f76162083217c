"""Follows what is at work in an MLflow run: the new lines of its metrics.jsonl, as they come."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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

# A dot file: it names a database and is no part of what the run made.
_RUN_FILE = ".mlflow.json"
_METRICS_PER_CALL = 1000  # MLflow takes no more in one call
_LOG_EVERY_S = 15.0
_NAMES = {"val_loss": "val/loss"}


class LiveRecord:
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
            with failure_is_a_warning():
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
            to_metric(_NAMES.get(key, f"{self._kind}/{key}"), value, line["step"])
            for key, value in line.items()
            if key != "step" and isinstance(value, int | float)
        ]

    def end(self, status: str) -> None:
        """Close the run."""
        if self._run_id is not None:
            self._client.set_terminated(self._run_id, status)


def to_metric(name: str, value: float, step: int) -> "Metric":
    """A measurement as MLflow takes it, of now."""
    from mlflow.entities import Metric

    return Metric(name, float(value), int(time.time() * 1000), step)


@contextmanager
def failure_is_a_warning() -> Iterator[None]:
    """What MLflow refuses costs a warning and the record, nothing else."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as exc:
        logger.warning("not recorded in MLflow: %s", exc)
