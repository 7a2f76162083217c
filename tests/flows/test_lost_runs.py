"""A scheduled run whose process dies begins again, but not for ever."""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from uuid import UUID

import orjson
import pytest

from flows.corpora.catalog import finished
from flows.recipe import load_recipe
from tests.flows.conftest import Webhook
from tests.flows.test_serve import Served, serve
from tests.stack.small_recipe import link_to, write_recipe

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

# What a worker starts for a run; its documents stage ends as one that needs too much memory does.
ENGINE = "import runpy; runpy.run_module('prefect.engine', run_name='__main__')"
DYING = f"""
import os, signal, time
import crawler.documents.stage as stage
def die(*_):
    time.sleep(3)  # Prefect's records come from a thread of this process
    os.kill(os.getpid(), signal.SIGKILL)
stage.run = die
{ENGINE}
"""


def begin(run: UUID, code: str) -> int:
    """Let a process run it to its end; its exit code."""
    environment = os.environ | {"PREFECT__FLOW_RUN_ID": str(run)}
    return subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode


def test_a_run_whose_process_dies_each_time_fails_and_says_so(
    prefect_server: str, webhook: Webhook, tmp_path: Path
):
    from prefect.client.orchestration import get_client
    from prefect.states import Scheduled

    from flows.deploy_recipe import recipe_deployments
    from flows.watch_runs import process_is_gone

    link_to(tmp_path, 30)
    data = tmp_path / "data"
    rebuild = recipe_deployments(load_recipe(str(write_recipe(tmp_path))), str(data), 1)[0]
    deployment = rebuild.apply()
    assert isinstance(deployment, UUID)  # we are in no event loop
    with get_client(sync_client=True) as client:
        run = client.create_flow_run_from_deployment(deployment).id
        for _ in range(4):
            assert begin(run, DYING) == -signal.SIGKILL
            assert not webhook
            client.set_flow_run_state(run, process_is_gone())  # as the automation does
        assert begin(run, DYING) == 0, "it begins no stage again"
        state = client.read_flow_run(run).state
        assert state
        assert state.name == "Failed", state
        [report] = webhook
        assert (report["flow"], report["stage"]) == ("rebuild_corpus", "documents")
        assert "died 4 times" in report["reason"]
        assert "memory" in report["remedy"]
        assert report["go_on_with"] == f"prefect flow-run retry {run}"

        # Who retries it has mended something: it goes on, and may die again.
        client.set_flow_run_state(run, Scheduled(message="Retried via CLI"), force=True)
        assert begin(run, DYING) == -signal.SIGKILL
        client.set_flow_run_state(run, process_is_gone())
        assert begin(run, ENGINE) == 0
        state = client.read_flow_run(run).state
        assert state
        assert state.name == "Completed", state
    assert finished(data, "tokens")
    assert len(webhook) == 1


def rebuilds(served: Served, *states: str) -> list[dict]:
    """The rebuilds that are in one of these states."""
    runs = served.runs("recipe:small")
    return [r for r in runs if r["name"] == "rebuild_corpus small" and r["state_type"] in states]


def scheduled_again(served: Served, run: dict) -> list[str]:
    """Why a run was scheduled again, each time."""
    url = f"{served.api_url}/flow_run_states/?flow_run_id={run['id']}"
    with urllib.request.urlopen(url) as answer:
        states = orjson.loads(answer.read())
    return [each["message"] for each in states if each["name"] == "AwaitingRetry"]


def test_to_stop_serve_counts_as_no_death_of_its_runs_and_to_kill_it_does(tmp_path: Path):
    link_to(tmp_path, 30)
    recipe = write_recipe(tmp_path)
    for number in (signal.SIGTERM, signal.SIGKILL):
        with serve(tmp_path) as served:
            served.wait_until(lambda served=served: rebuilds(served, "RUNNING"))
            served.process.send_signal(number)
            served.process.wait(60)
        # It goes on by the recipe as it is now.
        recipe.write_text(recipe.read_text().replace("steps = 10", "steps = 12"))
    with serve(tmp_path) as served:
        served.wait_until(lambda: rebuilds(served, "COMPLETED"))
        [run, *_] = rebuilds(served, "COMPLETED")
        stopped, killed = scheduled_again(served, run)
        assert "stopped" in stopped
        assert "process of this run is gone" in killed
        assert run["parameters"]["recipe"]["train"]["steps"] == 12
