"""What all flows of ours have: a name per run, tags to find it by, a report when it fails."""

import functools
import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import ParamSpec, TypeVar

from prefect import Flow, flow
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from corpus.manifest import is_finished, is_withdrawn
from corpus.redact import redact_error
from corpus.runner import RunnerConfig
from flows.corpora.summary import corpus_hash, lineage
from flows.open_runner import stage_runner
from flows.prefect_logs import guard_logs
from flows.recipe import Recipe
from flows.report_failure import report_crash, report_failure

P = ParamSpec("P")
R = TypeVar("R")

# The tags of the flow at work, and of the flows that it runs: they belong to it too.
_tags: ContextVar[set[str] | None] = ContextVar("tags of a flow run", default=None)


def product(name: str) -> Callable[[Callable[P, R]], Flow[P, R]]:
    """A Prefect flow whose runs are named, tagged and, where they fail, reported.

    A run is called `NAME RECIPE` and has the tags `recipe:NAME`, `corpus:HASH` and `run:ID` of
    what it was given and of what it made, so Prefect's API finds it by any of them.

    Args:
        name: Of the flow.
    """

    def make(function: Callable[P, R]) -> Flow[P, R]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def tagged(*args: P.args, **kwargs: P.kwargs) -> R:
            guard_logs()
            given = signature.bind(*args, **kwargs).arguments
            outer, tags = _tags.get(), _tags_of(given)
            token = _tags.set(tags)
            _put(tags)
            try:
                with stage_runner(_runner_of(given)):
                    result = function(*args, **kwargs)
                tags |= _tags_of({"result": result})
                return result
            except BaseException as exc:
                redact_error(exc)  # Prefect keeps its text and its traceback
                raise
            finally:
                _tags.reset(token)
                _put(tags)
                if outer is not None:
                    outer |= tags

        return flow(
            name=name,
            flow_run_name=_run_name,
            on_failure=[report_failure],
            on_crashed=[report_crash],
            persist_result=False,
        )(tagged)

    return make


def _runner_of(values: Mapping[str, object]) -> RunnerConfig:
    recipes = (value for value in values.values() if isinstance(value, Recipe))
    return next((recipe.runner for recipe in recipes), RunnerConfig())


def _run_name() -> str:
    recipe = flow_run.parameters.get("recipe")
    name = recipe.name if isinstance(recipe, Recipe) else (recipe or {}).get("name")
    return f"{flow_run.flow_name} {name}" if name else str(flow_run.flow_name)


def _tags_of(values: Mapping[str, object]) -> set[str]:
    recipes = {f"recipe:{value.name}" for value in values.values() if isinstance(value, Recipe)}
    folders = [value for value in values.values() if isinstance(value, Path)]
    return recipes.union(*(_tags_of_folder(folder) for folder in folders))


def _tags_of_folder(folder: Path) -> set[str]:
    """Of a stage's folder, or of a file in it."""
    folder = folder.parent if folder.is_file() else folder
    if not (is_finished(folder) or is_withdrawn(folder)):
        return set()
    found = lineage(folder)
    tags = {f"corpus:{corpus_hash(found['tokens'])}"} if "tokens" in found else set()
    return tags | ({f"run:{found['run'].name}"} if "run" in found else set())


def _put(tags: set[str]) -> None:
    known = set(flow_run.tags)
    if not tags <= known:
        with get_client(sync_client=True) as client:
            client.update_flow_run(flow_run.id, tags=sorted(known | tags))
