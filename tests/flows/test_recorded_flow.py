"""One MLflow run holds what a flow and the flows in it record, however often it is started."""

from types import SimpleNamespace

import pytest
from mlflow import MlflowClient

from corpus.atomic import write_bytes
from corpus.runtime import SilentProgress
from flows.recipe import Recipe
from model.tracking.run_record import Details
from model.tracking.store import EXPERIMENT
from model.tracking.tracker import local_uri

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

RECIPE = Recipe(name="small")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def recorded(data):
    """The runs of a name, the newest first."""
    client = MlflowClient(tracking_uri=local_uri(data))

    def named(name):
        experiment = client.get_experiment_by_name(EXPERIMENT)
        assert experiment is not None
        where = f"attributes.run_name = '{name}'"
        return client.search_runs([experiment.experiment_id], where)

    return named


@pytest.fixture(scope="module")
def flows(prefect_server, data):
    from prefect import flow, task
    from prefect.cache_policies import NO_CACHE

    from flows.recorded_flow import current_parent, recorded_flow, tracker_for
    from flows.track_runs import adopt_flow

    def record(name):
        details = Details(parent=current_parent())
        assert tracker_for(data).record_run(name, {}, {}, {}, details=details)

    @task(cache_policy=NO_CACHE, persist_result=False)
    def stage():
        record("in the task of an inner flow")

    @flow(name="inner", persist_result=False)
    def inner():
        with recorded_flow(RECIPE, data):
            stage()

    @flow(name="outer", persist_result=False)
    def outer(fails=False):
        with recorded_flow(RECIPE, data):
            record("in the outer flow")
            inner()
            if fails:
                raise ZeroDivisionError

    @flow(name="idle", persist_result=False)
    def idle():
        with recorded_flow(RECIPE, data):
            pass

    @flow(name="train", persist_result=False)
    def train(folder, fails):
        with recorded_flow(RECIPE, data):
            tracker = tracker_for(data)
            adopt_flow(tracker, folder)
            details, progress = Details(parent=current_parent()), SilentProgress()
            with tracker.follow("train", folder, "train x", {}, {}, progress, details):
                write_bytes(folder / "metrics.jsonl", b'{"step": 1, "loss": 1.0}\n')
                if fails:
                    raise ZeroDivisionError
            record("scores x")

    return SimpleNamespace(outer=outer, idle=idle, train=train)


def test_what_a_flow_and_its_inner_flows_record_is_nested_in_one_run(flows, recorded):
    flows.outer()
    (parent,) = recorded("outer small")
    assert parent.info.status == "FINISHED"
    assert (parent.data.tags["kind"], parent.data.tags["recipe"]) == ("flow", "small")
    assert len(parent.data.tags["prefect.flow_run_id"]) == 36
    for name in ("in the outer flow", "in the task of an inner flow"):
        (run,) = recorded(name)
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert recorded("inner small") == []


def test_a_flow_that_fails_is_marked_failed(flows, recorded):
    with pytest.raises(ZeroDivisionError):
        flows.outer(fails=True)
    assert recorded("outer small")[0].info.status == "FAILED"


def test_a_flow_that_finds_everything_done_leaves_no_run(flows, recorded):
    flows.idle()
    assert recorded("idle small") == []


def test_a_training_that_goes_on_is_in_the_flow_that_began_it(flows, recorded, tmp_path):
    with pytest.raises(ZeroDivisionError):
        flows.train(tmp_path, fails=True)
    flows.train(tmp_path, fails=False)
    (parent,) = recorded("train small")
    assert parent.info.status == "FINISHED"
    for name in ("train x", "scores x"):
        (run,) = recorded(name)
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
