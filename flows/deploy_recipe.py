"""A recipe -> the deployments that `webtext serve` runs and `webtext deploy` registers."""

import asyncio
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate, WorkPoolCreate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import (
    ConcurrencyLimitConfig,
    ConcurrencyLimitStrategy,
    FlowRun,
    State,
    StateType,
)
from prefect.client.schemas.sorting import FlowRunSort
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger
from prefect.exceptions import ObjectAlreadyExists
from prefect.runner import Runner
from prefect.schedules import Cron
from prefect.states import AwaitingRetry, Crashed
from prefect.types.entrypoint import EntrypointType

from corpus.errors import UsageError
from corpus.storage.s3 import is_url
from flows.announce_news import FOLLOWERS
from flows.follow_news import evaluate_run, measure_overlap, train_on_corpus
from flows.limit_use import free_all
from flows.prefect_logs import SERVED_BY
from flows.rebuild_corpus import look_for_news, rebuild_corpus
from flows.recipe import Recipe
from flows.watch_runs import HEARTBEAT_S, process_is_gone, watch_runs

# A second run of the same waits for the first: it finds its work done, or goes on with it.
_ONE_AT_A_TIME = ConcurrencyLimitConfig(
    limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE
)
_FROM_EVENT = {
    "train_on_corpus": {"corpus": "{{ event.resource['webtext.corpus'] }}"},
    "evaluate_run": {"run": "{{ event.resource['webtext.run'] }}"},
    "measure_overlap": {"corpus": "{{ event.resource['webtext.corpus'] }}"},
}
_WITH_WORKERS = (rebuild_corpus, measure_overlap)
_AT_WORK = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
_POLL_S = 2.0


def recipe_deployments(recipe: Recipe, data: str, workers: int) -> list[RunnerDeployment]:
    """The five deployments of a recipe, each called FLOW/RECIPE.

    `rebuild_corpus` and `look_for_news` have a schedule; `train_on_corpus`, `evaluate_run` and
    `measure_overlap` are started by events.

    Args:
        recipe: Its `[schedule]` says when. Relative paths in it become absolute.
        data: The data folder, or an s3:// URL.
        workers: Worker processes per stage.

    Raises:
        UsageError: a schedule is no cron line, or there is no such time zone.
    """
    data = data if is_url(data) else str(Path(data).absolute())
    given = {"recipe": _with_absolute_paths(recipe).model_dump(mode="json"), "data": data}
    config = recipe.schedule
    schedules = {rebuild_corpus: config.rebuild, look_for_news: config.look}
    try:
        return [
            RunnerDeployment.from_flow(
                each,
                name=recipe.name,
                description=(each.fn.__doc__ or "").partition("\n")[0],
                tags=[f"recipe:{recipe.name}"],
                parameters=given | ({"workers": workers} if each in _WITH_WORKERS else {}),
                schedule=Cron(schedules[each], timezone=config.timezone)
                if each in schedules
                else None,
                triggers=list(_triggers(each, recipe)),
                concurrency_limit=_ONE_AT_A_TIME,
                entrypoint_type=EntrypointType.MODULE_PATH,
            )
            for each in (rebuild_corpus, look_for_news, *_followers())
        ]
    except ValueError as exc:
        raise UsageError(
            f"[schedule] of recipe {recipe.name}: {str(exc).splitlines()[0]}",
            hint='Write schedules as cron does, "0 3 * * 1" for Mondays at three, and time zones '
            'by their names: "Europe/Berlin".',
        ) from exc


def serve(deployments: list[RunnerDeployment], *, is_own_server: bool) -> None:
    """Run the deployments in processes of this machine, until Ctrl-C.

    Args:
        deployments: Of a recipe, or of several.
        is_own_server: The server is ours and lives as long as we do: what it knows as running was
            killed with us, and goes on now.
    """
    os.environ[SERVED_BY] = str(os.getpid())
    runner = Runner(name="webtext", query_seconds=_POLL_S, pause_on_shutdown=not is_own_server)
    # What Ctrl-C interrupts there is no error of anybody's.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    runner.handle_sigterm = signal.default_int_handler  # Prefect's own leaves its flows behind
    identities: list[UUID] = []
    for each in deployments:
        identity = runner.add_deployment(each)
        assert isinstance(identity, UUID)  # we are in no event loop
        identities.append(identity)
        if is_own_server:
            _go_on_with(identity)
    try:
        asyncio.run(runner.start())
    finally:
        if is_own_server:
            for identity in identities:
                _leave(identity, AwaitingRetry(message="webtext serve was stopped."))


def deploy(deployments: list[RunnerDeployment], pool: str) -> None:
    """Register the deployments on a work pool, which is made if there is none of that name.

    Its workers run them: `prefect worker start --pool POOL`, wherever webtext is installed. What a
    worker did that was killed, another one goes on with.
    """
    with get_client(sync_client=True) as client, suppress(ObjectAlreadyExists):
        client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
    for each in deployments:
        env = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S)}
        each.job_variables = {**each.job_variables, "env": env}
        identity = each.apply(work_pool_name=pool)
        assert isinstance(identity, UUID)  # we are in no event loop
        watch_runs(identity, f"go on with {each.name} {each.flow_name}")


def _followers() -> tuple[Flow, ...]:
    return (train_on_corpus, evaluate_run, measure_overlap)


def _triggers(follower: Flow, recipe: Recipe) -> Iterator[DeploymentEventTrigger]:
    for event, name in FOLLOWERS.items():
        if follower.name == name:
            yield DeploymentEventTrigger(
                name=f"{name} {recipe.name}",
                expect={event},
                match={"webtext.recipe": recipe.name},
                parameters=_FROM_EVENT[name],
            )


def _go_on_with(identity: UUID) -> None:
    """Schedule again what ran when we, and our server with us, were killed.

    What came due while nobody served comes once, not as often as it was missed. All goes by the
    recipe as it is now.
    """
    now = datetime.now(UTC)
    with get_client(sync_client=True) as client:
        free_all(client)
        deployment = client.read_deployment(identity)
        limit = deployment.global_concurrency_limit
        if limit is not None:  # slots of the dead
            free = GlobalConcurrencyLimitUpdate(active_slots=0)
            client.update_global_concurrency_limit(limit.name, free)
        _leave(identity, process_is_gone())
        missed: list[FlowRun] = []
        for run in _runs(client, identity, [StateType.SCHEDULED]):
            if run.state_name == AwaitingRetry().name:
                given = run.parameters | deployment.parameters
                client.update_flow_run(run.id, parameters=given)
            elif run.auto_scheduled and _start(run) < now:
                missed.append(run)
        for run in missed:
            client.delete_flow_run(run.id)
        if missed:
            client.create_flow_run_from_deployment(identity)


def _leave(identity: UUID, state: State) -> None:
    """Give what runs a state with which it begins again at the next `webtext serve`."""
    with get_client(sync_client=True) as client:
        for run in _runs(client, identity, _AT_WORK):
            _crash_inner(client, run.id)
            client.set_flow_run_state(run.id, state, force=True)


def _crash_inner(client: SyncPrefectClient, parent: UUID) -> None:
    """Record that the flows within a killed one ended too: it begins them anew."""
    only = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[parent]))
    for run in client.read_flow_runs(flow_run_filter=only):
        if run.state_type in _AT_WORK:
            _crash_inner(client, run.id)
            client.set_flow_run_state(run.id, Crashed(message="webtext serve ended"), force=True)


def _runs(client: SyncPrefectClient, identity: UUID, kinds: list[StateType]) -> list[FlowRun]:
    return client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[identity])),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=kinds))
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
    )


def _start(run: FlowRun) -> datetime:
    return run.expected_start_time or datetime.max.replace(tzinfo=UTC)


def _with_absolute_paths(recipe: Recipe) -> Recipe:
    """Runs do not begin in the folder that the command was given in."""

    def absolute(value: object) -> object:
        if isinstance(value, Path):
            return str(value.absolute())
        if isinstance(value, dict):
            return {key: absolute(each) for key, each in value.items()}
        return [absolute(each) for each in value] if isinstance(value, list | tuple) else value

    return Recipe.model_validate(absolute(recipe.model_dump()))
