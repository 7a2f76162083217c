"""A followed training waits for nobody, and MLflow hears all of it, once."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from corpus.metrics import append_metrics
from corpus.runtime import SilentProgress
from model.tracking.run_record import Dataset, Details, Parent, read_record
from model.tracking.store import Store
from model.tracking.tracker import open_tracker

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def follow(uri, folder, name, details=None):
    progress = SilentProgress()
    return open_tracker(uri).follow("train", folder, name, {}, {"lr": 1}, progress, details)


def send_again(uri, folder):
    open_tracker(uri).send_unsent(folder.parents[1])
    record = read_record(folder)
    return record is not None and record.closed


def test_a_training_is_one_run_across_restarts(uri, client, runs, steps_of, tmp_path, wait_for,
                                               write_metrics):  # fmt: skip
    write_metrics(tmp_path, range(1, 26))
    with pytest.raises(KeyboardInterrupt), follow(uri, tmp_path, "a"):
        raise KeyboardInterrupt
    assert runs("a")[0].info.status == "KILLED"
    with follow(uri, tmp_path, "a"):
        wait_for(lambda: runs("a")[0].info.status == "RUNNING")
        write_metrics(tmp_path, range(1, 21))  # resumed at 20
        time.sleep(0.2)
        write_metrics(tmp_path, range(1, 41))  # steps 21 to 25 came again
    assert runs("a")[0].info.status == "FINISHED"
    assert steps_of("a") == list(range(1, 41))
    assert steps_of("a", "val/loss") == [10, 20, 30, 40]
    run_id = runs("a")[0].info.run_id
    times = {m.step: m.timestamp for m in client.get_metric_history(run_id, "train/loss")}
    assert times[7] == (1e9 + 7) * 1000, "the time is that of the step"
    assert not [name for name in runs("a")[0].data.metrics if name.endswith("/time")]


def test_a_failed_training_is_marked_failed_and_raises(uri, runs, tmp_path):
    with pytest.raises(ZeroDivisionError), follow(uri, tmp_path, "b"):
        raise ZeroDivisionError
    assert runs("b")[0].info.status == "FAILED"


def test_what_was_measured_is_there_while_the_training_goes_on(uri, steps_of, tmp_path, wait_for,
                                                               runs):  # fmt: skip
    with follow(uri, tmp_path, "live"):
        wait_for(lambda: runs("live"))
        for step in range(1, 4):
            append_metrics(tmp_path, {"step": step, "loss": 1.0})
        wait_for(lambda: steps_of("live") == [1, 2, 3])
        with (tmp_path / "metrics.jsonl").open("ab") as torn:
            torn.write(b'{"step": 4, "lo')
        time.sleep(0.3)
        assert steps_of("live") == [1, 2, 3]


@pytest.mark.parametrize("mode", ["hang", "fail", "hang up", "lose answers"])
def test_a_training_never_waits_and_everything_comes_when_the_server_is_back(
    gate, mode, steps_of, runs, tmp_path, monkeypatch, caplog, write_metrics, wait_for
):
    monkeypatch.setattr(Store, "patience_s", 0.5)
    name = f"outage: {mode}"
    gate.close(mode)
    asked, folder = len(gate.requests), tmp_path / "runs" / "a"
    with caplog.at_level(logging.WARNING, "model.tracking"), follow(gate.uri, folder, name):
        write_metrics(folder, range(1, 401))  # 840 measurements: one batch
        wait_for(lambda: len(gate.requests) > asked)
    assert "sent later" in caplog.text
    record = read_record(folder)
    assert record is not None
    assert (record.status, record.closed) == ("FINISHED", False)
    gate.open()
    wait_for(lambda: send_again(gate.uri, folder))
    assert steps_of(name) == list(range(1, 401))
    assert runs(name)[0].info.status == "FINISHED"


def test_a_lost_answer_in_the_middle_stores_nothing_twice(
    gate, steps_of, runs, tmp_path, wait_for, write_metrics
):
    with follow(gate.uri, tmp_path, "middle"):
        write_metrics(tmp_path, range(1, 11))
        wait_for(lambda: runs("middle") and steps_of("middle") == list(range(1, 11)))
        gate.close("lose answers")
        write_metrics(tmp_path, range(1, 2001))  # five batches
        wait_for(lambda: len(steps_of("middle")) > 10)
        gate.open()
    assert steps_of("middle") == list(range(1, 2001))


def test_a_run_that_somebody_deleted_is_recorded_anew(uri, client, runs, tmp_path, write_metrics):
    write_metrics(tmp_path, [1, 2])
    with follow(uri, tmp_path, "deleted"):
        pass
    client.delete_run(runs("deleted")[0].info.run_id)
    with follow(uri, tmp_path, "deleted"):
        pass
    (found,) = runs("deleted")
    assert found.data.metrics["train/loss"] == 4.98


def test_another_mlflow_hears_everything(gate, steps_of, tmp_path, write_metrics, monkeypatch):
    write_metrics(tmp_path, [1, 2])
    with monkeypatch.context() as impatient, follow("http://127.0.0.1:9", tmp_path, "moved"):
        impatient.setattr(Store, "patience_s", 0.2)
    with follow(gate.uri, tmp_path, "moved"):
        pass
    assert steps_of("moved") == [1, 2]


def test_input_recipe_and_flow_come_with_the_run(uri, client, runs, tmp_path, write_metrics):
    write_metrics(tmp_path, [1])
    state = tmp_path / "checkpoints" / "step-00000001" / "training.json"
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    (tmp_path / "tokens").mkdir()
    parent = Parent(key="flow-3", name="run_pipeline webtext")
    dataset = Dataset(name="webtext", digest="0123456789abcdef", source=str(tmp_path / "tokens"))
    details = Details(dataset=dataset, texts={"recipe.json": "{}"}, parent=parent)
    with follow(uri, tmp_path, "told", details):
        pass
    (run,) = runs("told")
    assert run.data.params == {"lr": "1"}
    assert run.data.tags["mlflow.parentRunId"] == runs(parent.name)[0].info.run_id
    (given,) = run.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("webtext", "0123456789abcdef")
    from mlflow.data import get_source  # noqa: TID251

    assert get_source(given).load() == str(tmp_path / "tokens")
    assert [f.path for f in client.list_artifacts(run.info.run_id)] == [
        "checkpoints",
        "recipe.json",
    ]
    kept = client.list_artifacts(run.info.run_id, "checkpoints/step-00000001")
    assert [f.path for f in kept] == ["checkpoints/step-00000001/training.json"]
    assert open_tracker(uri).parent_of(tmp_path) == parent


TRAINER = """
import sys, time
from pathlib import Path
from corpus.metrics import append_metrics
from corpus.runtime import SilentProgress
from model.tracking import live_record
from model.tracking.tracker import open_tracker
live_record._EVERY_S = 0.01
uri, folder = sys.argv[1], Path(sys.argv[2])
with open_tracker(uri).follow("train", folder, "killed", {}, {}, SilentProgress()):
    for step in range(1, 100_000):
        append_metrics(folder, {"step": step, "loss": 1.0})
        time.sleep(0.001)
"""


def test_kill_9_of_the_following_process_loses_and_repeats_nothing(
    uri, runs, steps_of, tmp_path, wait_for
):
    command = [sys.executable, "-c", TRAINER, uri, str(tmp_path)]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(Path.cwd())}) as trainer:
        wait_for(lambda: runs("killed") and len(steps_of("killed")) > 5, 60)
        trainer.send_signal(signal.SIGKILL)
    with follow(uri, tmp_path, "killed"):
        pass
    num_lines = (tmp_path / "metrics.jsonl").read_bytes().count(b"\n")
    assert steps_of("killed") == list(range(1, num_lines + 1))
    assert runs("killed")[0].info.status == "FINISHED"
