"""MLflow holds one run per stage and one per training, and can be missing without harm."""

import logging

import pytest

from corpus.runtime import SilentProgress
from model.tracking.run_record import Details, Parent
from model.tracking.store import Store
from model.tracking.tracker import NullTracker, open_tracker

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def test_a_finished_stage_is_one_run_with_its_files(uri, client, runs, tmp_path, capfd):
    (tmp_path / "manifest.json").write_text("{}")
    details = Details(
        texts={"samples.md": "the crawler"},
        parent=Parent(key="flow-1", name="run_pipeline demo", tags={"kind": "flow"}),
    )
    params = {f"key{i}": i for i in range(150)}
    files = [tmp_path / "manifest.json"]
    stage = ("tokens", {"stage": "tokens"}, params, {"out": 3}, files, details)
    assert open_tracker(uri).record_run(*stage)
    assert open_tracker(uri).record_run(*stage), "again, as after a kill: it is the same run"
    assert capfd.readouterr() == ("", "")
    (found,) = runs("tokens")
    assert (found.info.status, found.data.tags["stage"]) == ("FINISHED", "tokens")
    assert found.data.params["key149"] == "149"
    assert found.data.metrics == {"out": 3.0}
    names = [file.path for file in client.list_artifacts(found.info.run_id)]
    assert names == ["manifest.json", "samples.md"]
    assert str(uri.removeprefix("sqlite:///").rsplit("/", 1)[0]) in found.info.artifact_uri
    (parent,) = runs("run_pipeline demo")
    assert found.data.tags["mlflow.parentRunId"] == parent.info.run_id


def test_a_database_may_be_named_from_where_one_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert open_tracker("sqlite:///mlflow.db").record_run("tokens", {}, {}, {"out": 3}, [])
    assert (tmp_path / "mlflow.db").is_file()


def test_a_stage_that_was_recorded_half_is_completed(gate, client, runs, tmp_path, caplog):
    (tmp_path / "a.json").write_text("{}")
    stage = ("half", {"stage": "half"}, {"a": 1}, {"out": 3}, [tmp_path / "a.json"])
    gate.close("lose answers")
    assert not open_tracker(gate.uri).record_run(*stage)
    gate.open()
    assert open_tracker(gate.uri).record_run(*stage)
    (found,) = runs("half")
    assert found.info.status == "FINISHED"
    assert len(client.get_metric_history(found.info.run_id, "out")) == 1


def test_a_stage_is_not_recorded_where_mlflow_hangs_and_the_command_goes_on(
    gate, monkeypatch, caplog
):
    monkeypatch.setattr(Store, "patience_s", 0.2)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    gate.close("hang")
    with caplog.at_level(logging.WARNING, "model.tracking"):
        assert not open_tracker(gate.uri).record_run("corpus", {}, {}, {})
    assert "no answer" in caplog.text


def test_no_address_records_nothing_and_passes_progress_on(tmp_path):
    tracker, progress = open_tracker(None), SilentProgress()
    assert not tracker.record_run("x", {}, {}, {})
    with tracker.follow("train", tmp_path, "x", {}, {}, progress) as given:
        assert given is progress
    assert list(tmp_path.iterdir()) == []


def test_files_of_runs_are_deleted_by_the_runs_tags_and_the_files_names(
    uri, client, runs, tmp_path
):
    files = [tmp_path / name for name in ("manifest.json", "matches.html")]
    for path in files:
        path.write_text("what a page said")
    tracker = open_tracker(uri)
    for name, corpus in (("ours", "aa"), ("theirs", "bb")):
        tracker.record_run(name, {"corpus_hash": corpus}, {}, {}, files)
    assert tracker.delete_artifacts({"corpus_hash": "aa"}, (".html",)) == []
    left = {
        name: [file.path for file in client.list_artifacts(runs(name)[0].info.run_id)]
        for name in ("ours", "theirs")
    }
    assert left == {"ours": ["manifest.json"], "theirs": ["manifest.json", "matches.html"]}


def test_without_mlflow_nobody_says_that_files_were_deleted():
    assert NullTracker().delete_artifacts({"corpus_hash": "aa"}, (".html",)) != []


def test_a_flow_ends_with_the_runs_in_it(uri, runs):
    parent = Parent(key="flow-2", name="build_corpus demo")
    tracker = open_tracker(uri)
    tracker.end_parent(parent, "FINISHED")
    assert runs(parent.name) == [], "nothing was recorded in it"
    tracker.record_run("in it", {}, {}, {}, details=Details(parent=parent))
    assert runs(parent.name)[0].info.status == "RUNNING"
    tracker.end_parent(parent, "FAILED")
    assert runs(parent.name)[0].info.status == "FAILED"
