"""The MLflow run of a flow, which the runs of its corpus, training and scores are nested in."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from prefect.runtime import flow_run

from flows.recipe import Recipe
from model.tracking.run_record import Parent, Status
from model.tracking.tracker import Tracker, local_uri, open_tracker

_current: ContextVar["RecordedFlow | None"] = ContextVar("recorded flow", default=None)


@dataclass
class RecordedFlow:
    """The flow at work; its MLflow run is made with the first run in it, if there is any."""

    recipe: Recipe
    parent: Parent
    """A training that goes on brings that of the flow which began it."""
    used: list[Parent] = field(default_factory=list)
    """Those that something was recorded in."""


@contextmanager
def recorded_flow(recipe: Recipe, data: Path) -> Iterator[None]:
    """Nest what the body records in one run of MLflow: this flow's, or that of the flow it is in.

    Args:
        recipe: What the flow makes.
        data: The data folder.
    """
    if _current.get() is not None:
        yield
        return
    flow = RecordedFlow(recipe, _parent(recipe))
    token = _current.set(flow)
    status: Status = "KILLED"
    try:
        yield
        status = "FINISHED"
    except Exception:
        status = "FAILED"
        raise
    finally:
        _current.reset(token)
        for parent in flow.used:
            tracker_for(data).end_parent(parent, status)


def current_flow() -> RecordedFlow | None:
    """The flow at work; None outside of those that are recorded."""
    return _current.get()


def current_parent() -> Parent | None:
    """The run to nest in what is recorded now."""
    flow = _current.get()
    if flow is None:
        return None
    if flow.parent not in flow.used:
        flow.used.append(flow.parent)
    return flow.parent


def tracker_for(data: Path) -> Tracker:
    """MLflow where MLFLOW_TRACKING_URI says, or else on SQLite in the data folder."""
    return open_tracker(os.environ.get("MLFLOW_TRACKING_URI") or local_uri(data))


def _parent(recipe: Recipe) -> Parent:
    name = str(flow_run.flow_name)
    tags = {"kind": "flow", "recipe": recipe.name, "prefect.flow_run_id": str(flow_run.id)}
    return Parent(key=str(flow_run.id), name=f"{name} {recipe.name}", tags=tags)
