"""An automation of Prefect's per deployment: a run whose process is gone begins again."""

from datetime import timedelta
from uuid import UUID

from prefect.automations import Automation
from prefect.client.schemas.objects import StateType
from prefect.events import EventTrigger, Posture
from prefect.events.actions import ActionTypes, ChangeFlowRunState

HEARTBEAT_S = 30
"""Between two signs of life of a run, in seconds: the shortest that Prefect allows."""

_BEAT = "prefect.flow-run.heartbeat"
_ENDS = ("Completed", "Failed", "Crashed", "Cancelled", "TimedOut", "AwaitingRetry")
_MISSED_BEATS = 3


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
            message="No sign of life: the process of this run is gone.",
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
