"""A training ends with the same weights however often it is killed, and on any number of ranks."""

import math
import os
import random
import subprocess
import sys
import time
from itertools import pairwise

import pytest
import torch
from safetensors.torch import load_file

from corpus.errors import WebtextError
from corpus.metrics import METRICS, read_metrics
from corpus.runtime import Runtime
from corpus.tokens.windows import TokenWindows
from model.checkpoint import load_checkpoint
from model.launch import run
from model.settings import ModelConfig, RunConfig, TrainConfig
from model.training.optimizer import learning_rate
from model.training.training_state import newest

SHAPE = ModelConfig(block_size=16, n_layer=1, n_head=2, n_embd=16, dropout=0.1)
TRAIN = TrainConfig(
    steps=30,
    batch_size=8,
    micro_batch_size=4,
    lr=1e-2,
    warmup_steps=5,
    eval_every=10,
    eval_windows=10,
    checkpoint_every=4,
    device="cpu",
)
MEASURED = ("tokens_per_s", "memory_gb", "time")
CONFIG = RunConfig(model=SHAPE, train=TRAIN)


class Recorder:
    def __init__(self):
        self.total, self.done, self.notes = None, 0, []

    def start(self, total, unit):
        self.total = (total, unit)

    def advance(self, count=1, note=""):
        self.done += count
        self.notes.append(note)

    def report(self, figures):
        pass


@pytest.fixture(scope="module", autouse=True)
def one_thread_in_children():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def undisturbed(tokens, tmp_path_factory):
    output, recorder = tmp_path_factory.mktemp("run"), Recorder()
    manifest = run(CONFIG, {"tokens": tokens}, output, Runtime(progress=recorder))
    return output, manifest, recorder


def test_training_learns_and_reports(undisturbed):
    output, manifest, recorder = undisturbed
    metrics = read_metrics(output)
    assert [line["step"] for line in metrics] == list(range(1, 31))
    assert [line["step"] for line in metrics if "val_loss" in line] == [10, 20, 30]
    assert metrics[0]["loss"] == pytest.approx(math.log(280), abs=0.3)
    val_loss = metrics[-1].get("val_loss", math.inf)
    assert manifest.figures["val_loss"] == val_loss < metrics[0]["loss"] - 1
    assert manifest.counts.incoming == manifest.counts.out == 30
    assert (recorder.total, recorder.done) == ((30, "steps"), 30)
    assert recorder.notes[-1].startswith("loss ")
    assert load_checkpoint(output / "checkpoint").step == 30


def test_weights_are_part_of_the_hash_and_times_are_not(undisturbed):
    kinds = {shard.name: shard.kind for shard in undisturbed[1].shards}
    assert kinds.pop("checkpoint/model.safetensors") == "data"
    assert kinds["metrics.jsonl"] == kinds["train.log"] == "lineage"
    assert kinds["checkpoints/step-00000030/model.safetensors"] == "lineage"


def kill_trainer_after(step, tokens, output):
    path = output / "config.json"
    path.write_text(CONFIG.model_dump_json())
    paths = ["--config", path, "--tokens", tokens, "--output", output]
    process = subprocess.Popen(
        [sys.executable, "-m", "model.train", *map(str, paths)], stdout=subprocess.DEVNULL
    )
    wait_for(lambda: len(read_metrics(output)) >= step)
    process.kill()
    process.wait()


@pytest.mark.slow
def test_a_run_killed_twice_ends_with_the_weights_of_an_undisturbed_one(
    undisturbed, tokens, tmp_path
):
    output, manifest, _ = undisturbed
    kill_trainer_after(10, tokens, tmp_path)
    assert newest(tmp_path) is not None  # of step 4 or 8: the writer is a thread of its own
    kill_trainer_after(19, tokens, tmp_path)
    with (tmp_path / METRICS).open("ab") as file:
        file.write(b'{"step":2')  # what a kill in the middle of a line leaves
    (tmp_path / "config.json").unlink()
    again = run(CONFIG, {"tokens": tokens}, tmp_path, Runtime())
    assert again.hash == manifest.hash
    without_time = [
        [line | dict.fromkeys(MEASURED) for line in read_metrics(folder)]
        for folder in (output, tmp_path)
    ]
    assert without_time[0] == without_time[1]


@pytest.mark.slow
def test_a_run_killed_at_five_random_steps_ends_with_the_weights_of_an_undisturbed_one(
    undisturbed, tokens, tmp_path
):
    generator = random.Random(5)
    for step in sorted(generator.sample(range(1, 29), 5)):
        kill_trainer_after(step, tokens, tmp_path)
    (tmp_path / "config.json").unlink()
    again = run(CONFIG, {"tokens": tokens}, tmp_path, Runtime())
    assert again.hash == undisturbed[1].hash


@pytest.mark.slow
def test_two_processes_train_as_one(undisturbed, tokens, tmp_path):
    train = TRAIN.model_copy(update={"processes": 2, "steps": 8})
    plain = SHAPE.model_copy(update={"dropout": 0.0})
    single = RunConfig(model=plain, train=train.model_copy(update={"processes": 1}))
    run(single, {"tokens": tokens}, tmp_path / "one", Runtime())
    run(RunConfig(model=plain, train=train), {"tokens": tokens}, tmp_path / "two", Runtime())
    one, two = (read_metrics(tmp_path / name) for name in ("one", "two"))
    assert [m["loss"] for m in two] == pytest.approx([m["loss"] for m in one], rel=1e-5)
    assert two[-1].get("val_loss") == pytest.approx(one[-1].get("val_loss"), rel=1e-5)
    weights = [
        load_file(tmp_path / name / "checkpoint" / "model.safetensors") for name in ("one", "two")
    ]
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, rtol=1e-3, atol=1e-4)


def test_too_few_tokens_are_an_error_that_names_the_remedy(tokens, tmp_path):
    num_tokens = TokenWindows(tokens, "train", 1).num_tokens
    shape = SHAPE.model_copy(update={"block_size": num_tokens})
    config = RunConfig(model=shape, train=TRAIN)
    with pytest.raises(WebtextError, match="too few for one window") as error:
        run(config, {"tokens": tokens}, tmp_path, Runtime())
    assert "lower model.block_size" in error.value.hint
    assert "Traceback" not in error.value.message


def test_the_trainer_dies_with_the_process_that_started_it(tokens, tmp_path):
    config = RunConfig(model=SHAPE, train=TRAIN.model_copy(update={"steps": 10_000_000}))
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys; from pathlib import Path; from corpus.runtime import Runtime;"
        "from model.launch import run; from model.settings import RunConfig\n"
        "config = RunConfig.model_validate_json(sys.argv[1])\n"
        "run(config, {'tokens': Path(sys.argv[2])}, Path(sys.argv[3]), Runtime())\n"
    )
    output = tmp_path / "run"
    parent = subprocess.Popen(
        [sys.executable, str(script), config.model_dump_json(), str(tokens), str(output)],
        env={**os.environ, "PYTHONPATH": "."},
    )
    wait_for(lambda: len(read_metrics(output)) > 2)
    parent.kill()
    parent.wait()
    wait_for(lambda: is_still(output / METRICS))


def wait_for(condition, timeout_s=60):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def is_still(path):
    before = path.stat().st_size
    time.sleep(0.5)
    return path.stat().st_size == before


def test_learning_rate_warms_up_and_falls_to_its_minimum():
    config = TRAIN.model_copy(update={"steps": 100, "lr": 1.0, "min_lr": 0.1, "warmup_steps": 10})
    rates = [learning_rate(step, config) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert all(earlier > later for earlier, later in pairwise(rates[10:]))
    assert rates[-1] == pytest.approx(0.1)


def test_a_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(ValueError, match=r"batch_size \(8\) is not a multiple"):
        TrainConfig(batch_size=8, micro_batch_size=4, processes=3)


def test_where_a_run_computes_does_not_make_it_another_run():
    place = {"device": "cuda", "processes": 2, "micro_batch_size": 2, "checkpoint_every": 9}
    elsewhere = TRAIN.model_copy(update=place)
    assert RunConfig(model=SHAPE, train=elsewhere).identity() == CONFIG.identity()
    longer = TRAIN.model_copy(update={"steps": 31})
    assert RunConfig(model=SHAPE, train=longer).identity() != CONFIG.identity()


def test_skipped_steps_are_left_out_and_make_another_run():
    plain = TRAIN.order(num_windows=100)
    skipping = TrainConfig.model_validate({**TRAIN.model_dump(), "skipped_steps": [[3, 5]]})
    order = skipping.order(num_windows=100)
    # Steps 3 and 4 of metrics.jsonl are 2 and 3 of the order, which counts from 0.
    for step, plain_step in enumerate([0, 1, 4, 5]):
        assert order.batch(step, 8).tolist() == plain.batch(plain_step, 8).tolist()
    assert RunConfig(model=SHAPE, train=skipping).identity() != CONFIG.identity()


@pytest.mark.parametrize("ranges", [[[5, 5]], [[0, 2]], [[4, 9], [8, 12]], [[3]]])
def test_skipped_steps_that_are_no_ranges_are_refused(ranges):
    with pytest.raises(ValueError, match="skipped_steps"):
        TrainConfig.model_validate({"skipped_steps": ranges})


@pytest.mark.slow
def test_a_trainer_that_no_flow_started_tells_mlflow_itself(tokens, tmp_path):
    from model.tracking.store import Store

    path = tmp_path / "config.json"
    path.write_text(RunConfig(model=SHAPE, train=TRAIN).model_dump_json())
    uri = f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}"
    paths = ["--config", path, "--tokens", tokens, "--output", tmp_path / "run", "--mlflow", uri]
    done = subprocess.run(
        [sys.executable, "-m", "model.train", *map(str, paths)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "step 30/30" in done.stdout
    assert load_checkpoint(tmp_path / "run" / "checkpoint").step == 30
    store = Store(uri)
    (run,) = store.client.search_runs([store.experiment_id])
    assert run.info.status == "FINISHED"
    history = store.client.get_metric_history(run.info.run_id, "train/loss")
    assert [metric.step for metric in history] == list(range(1, 31))
    assert run.inputs is not None
    (dataset,) = run.inputs.dataset_inputs
    assert dataset.dataset.name == "webtext"
