"""Tells MLflow what a run's record and metrics.jsonl hold and it does not know yet."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from model.tracking.metrics_tail import MetricsTail
from model.tracking.registered_model import register_model
from model.tracking.run_record import Dataset, RecordFile
from model.tracking.store import PARENT, Store

logger = logging.getLogger(__name__)

_PARAMS_PER_CALL = 100  # MLflow takes no more in one call
_MAX_VALUE_LENGTH = 5000
# Of the checkpoints that a training keeps: a few hundred bytes each, no weights.
_TRAINING_STATES = "checkpoints/*/training.json"


@dataclass
class Sender:
    """Sends one run, a step after the other; each is remembered, so none is sent twice.

    Where MLflow fails `send` raises what it raises; called again, it goes on there.
    """

    store: Store
    file: RecordFile
    goes_on: bool = True
    """The run is at work; False: what an earlier process left is sent."""

    def __post_init__(self) -> None:
        self._tail = MetricsTail(self.file.folder, self.file.record.kind)
        self._run_id: str | None = None  # None: not looked for yet

    def send(self, *, is_over: bool) -> None:
        """Send what is new.

        Args:
            is_over: Nothing will be added: send the end too.
        """
        run_id = self._run_id = self._run_id or self._find_run()
        if run_id is None:
            return
        self._tell_details(run_id)
        while batch := self._tail.next_batch(self.file.record.last_step):
            self.store.client.log_batch(run_id, metrics=batch.metrics)
            self.file.update(last_step=batch.last_step)
            self._tail.accept()
        if is_over:
            self._close(run_id)

    def _find_run(self) -> str | None:
        """The run that is to be told, made if need be; None: somebody deleted it on purpose."""
        record = self.file.record
        if record.run_id is None:
            return self._create_run()
        if self.store.is_there(record.run_id):
            if self.goes_on:
                self.store.client.update_run(record.run_id, status="RUNNING")
            # The last answer may have been lost with the process that waited for it.
            last_step = max(record.last_step, self._newest_step(record.run_id))
            self.file.update(last_step=last_step)
            return record.run_id
        if not self.goes_on:
            self.file.update(closed=True)
            return None
        logger.warning("MLflow has no run %s any more: recording anew", record.run_id)
        self.file.update(run_id=None, last_step=0, told=())
        return self._create_run()

    def _create_run(self) -> str:
        record = self.file.record
        tags, parent = dict(record.tags), record.details.parent
        if parent is not None:
            tags[PARENT] = self.store.find_or_create(parent.key, parent.name, parent.tags)
        run_id = self.store.find_or_create(record.key, record.name, tags, record.began_ms)
        self.file.update(run_id=run_id)
        return run_id

    def _newest_step(self, run_id: str) -> int:
        names = self.store.client.get_run(run_id).data.metrics
        # All but the held-out loss are in nearly every line: any of them knows the last step.
        kind = f"{self.file.record.kind}/"
        name = min((name for name in names if name.startswith(kind)), default=None)
        history = self.store.client.get_metric_history(run_id, name) if name else []
        return max((metric.step for metric in history), default=0)

    def _tell_details(self, run_id: str) -> None:
        record = self.file.record
        if "details" in record.told:
            return
        log_params(self.store, run_id, record.params)
        if record.details.dataset is not None:
            _log_dataset(self.store, run_id, record.details.dataset)
        for name, text in record.details.texts.items():
            self.store.client.log_text(run_id, text, name)
        self._remember("details")

    def _close(self, run_id: str) -> None:
        record = self.file.record
        if "end" not in record.told:
            self.store.client.set_terminated(run_id, record.status, record.ended_ms)
            self._remember("end")
        if "states" not in record.told:
            for path in sorted(self.file.folder.glob(_TRAINING_STATES)):
                where = path.parent.relative_to(self.file.folder).as_posix()
                self.store.client.log_artifact(run_id, str(path), where)
            self._remember("states")
        if record.status == "FINISHED" and record.details.model is not None:
            register_model(self.store, run_id, record.details.model, self.file.folder)
        if record.details.parent is not None and not self.goes_on:
            self.end_parent(record.details.parent.key, record.status)
        self.file.update(closed=True)

    def end_parent(self, key: str, status: str) -> None:
        """End the flow's run too: the process that could have done so is gone, or may again."""
        parent = self.store.find(key)
        if parent and self.store.client.get_run(parent).info.status == "RUNNING":
            self.store.client.set_terminated(parent, status)

    def _remember(self, what: str) -> None:
        self.file.update(told=(*self.file.record.told, what))


def log_params(store: Store, run_id: str, params: Mapping[str, object]) -> None:
    """Log a run's parameters, cut where MLflow takes no longer ones."""
    from mlflow.entities import Param

    values = [Param(key, str(value)[:_MAX_VALUE_LENGTH]) for key, value in params.items()]
    for start in range(0, len(values), _PARAMS_PER_CALL):
        store.client.log_batch(run_id, params=values[start : start + _PARAMS_PER_CALL])


def _log_dataset(store: Store, run_id: str, dataset: Dataset) -> None:
    from mlflow.entities import Dataset as MLflowDataset, DatasetInput, InputTag

    # What mlflow.data.MetaDataset of a local folder becomes; that module imports pandas.
    entity = MLflowDataset(
        name=dataset.name,
        digest=dataset.digest,
        source_type="local",
        source=orjson.dumps({"uri": dataset.source}).decode(),
    )
    context = InputTag("mlflow.data.context", "training")
    store.client.log_inputs(run_id, datasets=[DatasetInput(entity, [context])])
