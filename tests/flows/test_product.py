"""Every flow's runs are named and tagged; a failed one is reported with stage, reason, remedy."""

import time
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest

from corpus.errors import WebtextError
from flows.corpora.summary import corpus_hash
from flows.recipe import Recipe
from tests.flows.small_corpora import document, write_corpus

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

RECIPE = Recipe(name="small")
SECRET = "hunter2"


@pytest.fixture(scope="module")
def flows(prefect_server):
    from flows.failed_stage import named_stage
    from flows.product import product

    @product("make")
    def make(recipe: Recipe, result: Path):
        return result

    @product("outer")
    def outer(recipe: Recipe, result: Path):
        make(recipe, result)

    @product("fail")
    def fail(recipe: Recipe, folder: Path):
        with named_stage("pages", folder):
            message = f"no server answers at s3://me:{SECRET}@host/bucket"
            raise WebtextError(message, hint="Start it.")

    @product("fail_outside")
    def fail_outside(recipe: Recipe, folder: Path):
        fail(recipe, folder)

    @product("wait")
    def wait(recipe: Recipe, folder: Path):
        with named_stage("runs", folder):
            # In short steps: pytest-timeout has the alarm by which a whole process is interrupted.
            for _ in range(600):
                time.sleep(0.1)

    return SimpleNamespace(make=make, outer=outer, fail=fail_outside, wait=wait)


def runs_named(name: str) -> list:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName

    only = FlowRunFilter(name=FlowRunFilterName(any_=[name]))
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(flow_run_filter=only)


def test_runs_are_called_and_tagged_by_recipe_and_corpus(flows, tmp_path: Path):
    tokens = write_corpus(tmp_path, "a", [document("https://a.example/"), document("https://b.x/")])
    flows.outer(RECIPE, tokens)
    for name in ("outer small", "make small"):
        [run] = runs_named(name)
        assert sorted(run.tags) == [f"corpus:{corpus_hash(tokens)}", "recipe:small"]


def test_a_failure_is_told_once_with_stage_reason_and_remedy(flows, webhook, tmp_path: Path):
    with pytest.raises(WebtextError):
        flows.fail(RECIPE, tmp_path)
    [report] = webhook
    assert report["flow_run"] == "fail_outside small"
    assert (report["stage"], report["folder"]) == ("pages", str(tmp_path))
    assert report["reason"] == "no server answers at s3://***@host/bucket"
    assert report["remedy"] == "Start it."
    assert report["go_on_with"].startswith("webtext")
    assert SECRET not in orjson.dumps(report).decode()


@pytest.mark.slow
def test_a_time_limit_ends_a_flow_as_timed_out(flows, webhook, tmp_path: Path):
    from flows.scheduled_run import within

    state = within(flows.wait, 2 / 3600)(RECIPE, tmp_path, return_state=True)
    assert state.name == "TimedOut"
    [report] = webhook
    assert report["stage"] == "runs"
    assert "2" in report["reason"]


@pytest.mark.slow
def test_a_webhook_that_is_gone_is_no_failure_of_its_own(
    flows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WEBTEXT_FAILURE_WEBHOOK", "http://127.0.0.1:9/")
    with pytest.raises(WebtextError, match="no server answers"):
        flows.fail(RECIPE, tmp_path)
