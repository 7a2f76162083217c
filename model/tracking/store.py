"""One MLflow: its client, its experiment, and runs that are found again by a key."""

import logging
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.atomic import atomic_path
from corpus.redact import redact
from corpus.storage.files import locked

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "webtext"

KEY = "webtext.key"
"""The tag that a run is found by, where its creation was not answered: no run is made twice."""

PARENT = "mlflow.parentRunId"

_SQLITE = "sqlite:///"
_ENVIRONMENT = {
    # MLflow reads the literal "true" only.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # Its own defaults wait for a dead server for minutes, at every call.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


class Store:
    """The experiment `webtext` of one MLflow; nothing is imported or asked before it is needed.

    Every use may raise what MLflow raises, and may be tried again.

    Args:
        uri: `sqlite:///...`, `http://...`.

    Attributes:
        uri: The same without the user and password, for messages and records.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self.uri = redact(uri)

    @property
    def patience_s(self) -> float:
        """What a command waits for MLflow at most, when a training ends or a stage is recorded.

        A server may hang; a database file cannot, and takes its time on a busy machine only.
        """
        return 60.0 if self._uri.startswith(_SQLITE) else 20.0

    @cached_property
    def client(self) -> "MlflowClient":
        """MLflow's client; the import takes three to five seconds, a new database three more."""
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        # Creating the database prints its migrations otherwise.
        logging.getLogger("alembic").setLevel(logging.WARNING)
        if self._uri.startswith(_SQLITE):
            _create_database(Path(self._uri.removeprefix(_SQLITE)))
        return MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)

    @cached_property
    def experiment_id(self) -> str:
        """The experiment that all runs are in, made where it is missing."""
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            location = None
            if self._uri.startswith(_SQLITE):
                database = Path(self._uri.removeprefix(_SQLITE))
                location = (database.resolve().parent / "artifacts").as_uri()
            try:
                return self.client.create_experiment(EXPERIMENT, artifact_location=location)
            except MlflowException:  # somebody else did in the meantime
                found = self.client.get_experiment_by_name(EXPERIMENT)
                if found is None:
                    raise
        return found.experiment_id

    def find(self, key: str) -> str | None:
        """The run that carries `key`."""
        where = f"tags.`{KEY}` = '{key}'"
        found = self.client.search_runs([self.experiment_id], where, max_results=1)
        return found[0].info.run_id if found else None

    def find_or_create(
        self, key: str, name: str, tags: Mapping[str, str], began_ms: int | None = None
    ) -> str:
        """The run that carries `key`, made if there is none yet."""
        return self.find(key) or self._create(name, {**tags, KEY: key}, began_ms)

    def _create(self, name: str, tags: dict[str, str], began_ms: int | None) -> str:
        run = self.client.create_run(self.experiment_id, began_ms, tags=tags, run_name=name)
        return run.info.run_id

    def is_there(self, run_id: str) -> bool:
        """Whether the run exists and nobody deleted it."""
        from mlflow.exceptions import MlflowException

        try:
            return self.client.get_run(run_id).info.lifecycle_stage == "active"
        except MlflowException as exc:
            if exc.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise


def _create_database(path: Path) -> None:
    """Make the tables under another name: killed half-way, they could not be made any more."""
    from mlflow import MlflowClient

    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent / ".create.lock"):
        if not path.exists():
            with atomic_path(path) as temporary:
                temporary.unlink(missing_ok=True)  # of a killed process
                MlflowClient(tracking_uri=f"{_SQLITE}{temporary}").search_experiments()
