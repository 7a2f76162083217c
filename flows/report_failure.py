"""Tells of a failed flow: which stage, why, what to do, in Prefect's records and to a webhook."""

import os
import shlex
import sys
import urllib.request

import orjson
from prefect import Flow, State
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateName,
)
from prefect.client.schemas.objects import FlowRun
from prefect.logging.loggers import flow_run_logger

from corpus.errors import WebtextError
from corpus.redact import redact
from flows.failed_stage import failed_stage
from flows.prefect_logs import REPORT
from model.stopped import TrainingStoppedError

WEBHOOK = "WEBTEXT_FAILURE_WEBHOOK"
"""The environment variable with an address: each failure is POSTed to it as JSON. Such addresses
hold secrets, so it is no part of a recipe."""

_WEBHOOK_S = 10


def report_failure(flow: Flow, flow_run: FlowRun, state: State) -> None:
    """Report a flow that raised; a Prefect `on_failure` hook."""
    _report(flow, flow_run, state)


def report_crash(flow: Flow, flow_run: FlowRun, state: State) -> None:
    """Report a flow that was killed or interrupted; a Prefect `on_crashed` hook.

    Called by the process that runs the flow, or by the one that started it and saw it end.
    """
    _report(flow, flow_run, state)


def _report(flow: Flow, flow_run: FlowRun, state: State) -> None:
    if flow_run.parent_task_run_id is not None:
        return  # the flow that runs this one tells of it
    error = _error(state)
    if isinstance(error, KeyboardInterrupt | TrainingStoppedError):
        return  # asked for
    failed = failed_stage(error)
    with get_client(sync_client=True) as client:
        # Who saw a process end knows the run as it was before it began.
        flow_run = client.read_flow_run(flow_run.id)
    report = {
        "flow": flow.name,
        "flow_run": flow_run.name,
        "flow_run_id": str(flow_run.id),
        "tags": sorted(flow_run.tags),
        "state": state.name,
        "stage": failed.name if failed else _running_stage(flow_run),
        "folder": str(failed.folder) if failed else None,
        "reason": redact(_reason(error, state)),
        "remedy": redact(error.hint) if isinstance(error, WebtextError) else None,
        "go_on_with": _command(flow_run),
    }
    _publish(flow, flow_run, report)
    _post(flow_run, report)


def _error(state: State) -> BaseException | None:
    try:
        result = state.result(raise_on_failure=False)
    except Exception:  # another process had it, and nobody kept it
        return None
    return result if isinstance(result, BaseException) else None


def _reason(error: BaseException | None, state: State) -> str:
    if isinstance(error, WebtextError):
        return error.message
    return f"{type(error).__name__}: {error}" if error else state.message or str(state.name)


def _running_stage(flow_run: FlowRun) -> str | None:
    """The stage at work when a flow was killed, as Prefect's records know it."""
    names = TaskRunFilterStateName(any_=["Running"])
    with get_client(sync_client=True) as client:
        parent = FlowRunFilterParentFlowRunId(any_=[flow_run.id])
        inner = client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=parent))
        both = FlowRunFilterId(any_=[flow_run.id, *(each.id for each in inner)])
        runs = client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=both),
            task_run_filter=TaskRunFilter(state=TaskRunFilterState(name=names)),
        )
    # Killed more than once, it left several.
    began = {run.start_time: run.name for run in runs if run.start_time}
    return began[max(began)] if began else None


def _command(flow_run: FlowRun) -> str:
    if flow_run.deployment_id is not None:
        return f"prefect flow-run retry {flow_run.id}"
    return shlex.join(["webtext", *(redact(argument) for argument in sys.argv[1:])])


def _publish(flow: Flow, flow_run: FlowRun, report: dict[str, object]) -> None:
    told = {name: value for name, value in report.items() if value}
    lines = [f"- **{name.replace('_', ' ')}**: {value}" for name, value in told.items()]
    text = "\n".join([f"# {flow_run.name} failed", "", *lines])
    flow_run_logger(flow_run, flow).error(text, extra=REPORT)
    artifact = ArtifactCreate(
        key="failure",
        type="markdown",
        data=text,
        description=str(report["reason"])[:200],
        flow_run_id=flow_run.id,
    )
    with get_client(sync_client=True) as client:
        client.create_artifact(artifact)


def _post(flow_run: FlowRun, report: dict[str, object]) -> None:
    address = os.environ.get(WEBHOOK)
    if not address:
        return
    headers = {"Content-Type": "application/json"}
    # "text" is what Slack, Mattermost and Teams show of it.
    text = f"{report['flow_run']} failed: {report['reason']}"
    content = orjson.dumps({"text": text, **report})
    try:
        request = urllib.request.Request(address, content, headers, method="POST")
        urllib.request.urlopen(request, timeout=_WEBHOOK_S).close()
    except (OSError, ValueError) as exc:
        problem = redact(str(exc))
        flow_run_logger(flow_run).warning("%s did not take the report: %s", WEBHOOK, problem)
