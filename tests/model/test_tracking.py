"""MLflow holds one run per stage and one per training, and can be missing without harm."""

import logging

import orjson
import pytest

from corpus.metrics import METRICS
from corpus.runtime import SilentProgress
from model.tracking import EXPERIMENT, MLflowTracker, NullTracker, local_uri, open_tracker

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return local_uri(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def client(uri):
    from mlflow import MlflowClient  # noqa: TID251  what was recorded, seen from outside

    return MlflowClient(tracking_uri=uri)


def runs(client, name):
    experiment = client.get_experiment_by_name(EXPERIMENT)
    return client.search_runs([experiment.experiment_id], f"attributes.run_name = '{name}'")


def write_metrics(folder, steps):
    lines = [
        {"step": s, "loss": 5.0 - s / 100, "lr": 0.1, "tokens_per_s": 9.0}
        | ({"val_loss": 6.0} if s % 10 == 0 else {})
        for s in steps
    ]
    (folder / METRICS).write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))


def test_a_finished_stage_is_one_run_with_its_files(uri, client, tmp_path, capfd):
    (tmp_path / "manifest.json").write_text("{}")
    tracker = open_tracker(uri)
    params = {f"key{i}": i for i in range(150)}
    tracker.record_run(
        "tokens", {"stage": "tokens"}, params, {"out": 3}, [tmp_path / "manifest.json"]
    )
    assert capfd.readouterr() == ("", "")
    (found,) = runs(client, "tokens")
    assert (found.info.status, found.data.tags["stage"]) == ("FINISHED", "tokens")
    assert found.data.params["key149"] == "149"
    assert found.data.metrics == {"out": 3.0}
    assert [file.path for file in client.list_artifacts(found.info.run_id)] == ["manifest.json"]
    assert str(uri.removeprefix("sqlite:///").rsplit("/", 1)[0]) in found.info.artifact_uri


def test_a_training_is_one_run_across_restarts(uri, client, tmp_path):
    write_metrics(tmp_path, range(1, 26))
    with (
        pytest.raises(KeyboardInterrupt),
        open_tracker(uri).follow("train", tmp_path, "a", {}, {"lr": 1}, SilentProgress()),
    ):
        raise KeyboardInterrupt
    assert runs(client, "a")[0].info.status == "KILLED"
    with open_tracker(uri).follow("train", tmp_path, "a", {}, {"lr": 1}, SilentProgress()):
        assert runs(client, "a")[0].info.status == "RUNNING"
        write_metrics(tmp_path, range(1, 41))  # resumed at 20: steps 21 to 25 came again
    (found,) = runs(client, "a")
    assert found.info.status == "FINISHED"
    losses = client.get_metric_history(found.info.run_id, "train/loss")
    assert sorted(metric.step for metric in losses) == list(range(1, 41))
    assert len(client.get_metric_history(found.info.run_id, "val/loss")) == 4


def test_a_failed_training_is_marked_failed_and_raises(uri, client, tmp_path):
    with (
        pytest.raises(ZeroDivisionError),
        open_tracker(uri).follow("train", tmp_path, "b", {}, {}, SilentProgress()),
    ):
        raise ZeroDivisionError
    assert runs(client, "b")[0].info.status == "FAILED"


def test_a_server_that_is_gone_costs_a_warning(tmp_path, monkeypatch, caplog, uri):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with caplog.at_level(logging.WARNING, "model.tracking"):
        assert isinstance(open_tracker("http://127.0.0.1:9"), NullTracker)
    assert "nothing will be recorded" in caplog.text
    tracker = open_tracker(uri)
    assert isinstance(tracker, MLflowTracker)
    from mlflow import MlflowClient  # noqa: TID251  what was recorded, seen from outside

    tracker._client = MlflowClient(tracking_uri="http://127.0.0.1:9")
    caplog.clear()
    with tracker.follow("train", tmp_path, "c", {}, {}, SilentProgress()):
        write_metrics(tmp_path, range(3))
    assert "not recorded in MLflow" in caplog.text
    assert not tracker.record_run("corpus", {}, {}, {})


def test_no_address_records_nothing_and_passes_progress_on(tmp_path):
    tracker, progress = open_tracker(None), SilentProgress()
    assert not tracker.record_run("x", {}, {}, {})
    with tracker.follow("train", tmp_path, "x", {}, {}, progress) as given:
        assert given is progress
    assert list(tmp_path.iterdir()) == []


def test_files_of_runs_are_deleted_by_the_runs_tags_and_the_files_names(uri, client, tmp_path):
    files = [tmp_path / name for name in ("manifest.json", "matches.html")]
    for path in files:
        path.write_text("what a page said")
    tracker = open_tracker(uri)
    for name, corpus in (("ours", "aa"), ("theirs", "bb")):
        tracker.record_run(name, {"corpus_hash": corpus}, {}, {}, files)
    assert tracker.delete_artifacts({"corpus_hash": "aa"}, (".html",)) == []
    left = {
        name: [file.path for file in client.list_artifacts(runs(client, name)[0].info.run_id)]
        for name in ("ours", "theirs")
    }
    assert left == {"ours": ["manifest.json"], "theirs": ["manifest.json", "matches.html"]}


def test_without_mlflow_nobody_says_that_files_were_deleted():
    assert NullTracker().delete_artifacts({"corpus_hash": "aa"}, (".html",)) != []
