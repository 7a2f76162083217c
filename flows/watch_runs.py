"""An automation of Prefect's per deployment: a run whose process is gone begins again."""

from datetime import timedelta
from uuid import UUID

from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType
from prefect.events import EventTrigger, Posture
from prefect.events.actions import ActionTypes, ChangeFlowRunState
from prefect.states import AwaitingRetry

from corpus.errors import WebtextError

HEARTBEAT_S = 30
"""Between two signs of life of a run, in seconds: the shortest that Prefect allows."""

_BEAT = "prefect.flow-run.heartbeat"
_ENDS = ("Completed", "Failed", "Crashed", "Cancelled", "TimedOut", "AwaitingRetry")
_MISSED_BEATS = 3
_GONE = "No sign of life: the process of this run is gone."
_MAX_RETRIES = 3
"""How often a run begins again whose process is gone."""


def watch_runs(deployment: UUID, name: str) -> None:
    """Have Prefect's server schedule a run again that gives no sign of life any more.

    A worker that is killed with its runs says nothing to anybody. What such a run has finished is
    kept, so it goes on, on whichever worker takes it.

    Args:
        deployment: Whose runs. The automation goes with it.
        name: Of the automation.
    """
    schedule_again: list[ActionTypes] = [
        ChangeFlowRunState(
            state=StateType.SCHEDULED,
            name="AwaitingRetry",
            message=_GONE,
            force=False,
        )
    ]
    Automation(
        name=name,
        description="No heartbeat: its process is gone. The run goes on elsewhere.",
        trigger=EventTrigger(
            after={_BEAT},
            expect={_BEAT, *(f"prefect.flow-run.{state}" for state in _ENDS)},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related={"prefect.resource.id": f"prefect.deployment.{deployment}"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=_MISSED_BEATS * HEARTBEAT_S),
        ),
        actions=schedule_again,
        owner_resource=f"prefect.deployment.{deployment}",
    ).create()


def process_is_gone() -> State:
    """The state of a run that begins again because its process is gone."""
    return AwaitingRetry(message=_GONE)


def check_survives(run: UUID) -> None:
    """Begin no run again whose process died as often as a run may begin again.

    Prefect's `run_count` also counts what a person begins again; the states of a run tell that
    apart. A person, or the next of the schedule, can only retry what has ended, and then the count
    is anew.

    Raises:
        WebtextError: it did, and whatever killed it would do so again.
    """
    with get_client(sync_client=True) as client:
        deaths = 0
        for state in client.read_flow_run_states(run):
            deaths = 0 if state.is_final() else deaths + (state.message == _GONE)
    if deaths > _MAX_RETRIES:
        raise WebtextError(
            f"the process of this run died {deaths} times in a row, without a word",
            hint="Most often the memory was full: the kernel's log (dmesg) or the container's end "
            "says so. Give it more, or take fewer workers; then go on. What is finished is kept.",
        )
