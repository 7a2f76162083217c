"""`--runner ray` trains the same model under Ray Train, on workers of a local Ray."""

import os
import signal
import subprocess
import sys

import pytest

from corpus.errors import WebtextError
from corpus.metrics import read_metrics
from corpus.runtime import Runtime
from model.launch import run
from model.settings import ModelConfig, RunConfig, TrainConfig
from model.training.training_state import newest
from tests.corpus.ray_tasks import wait_until

pytest.importorskip("ray")

SHAPE = ModelConfig(block_size=16, n_layer=1, n_head=2, n_embd=16)
TRAIN = TrainConfig(
    steps=12,
    batch_size=8,
    micro_batch_size=4,
    lr=1e-2,
    warmup_steps=2,
    eval_every=6,
    eval_windows=10,
    checkpoint_every=4,
    device="cpu",
)


@pytest.mark.slow
def test_two_workers_of_ray_train_as_one_process(tokens, tmp_path):
    alone, on_ray = tmp_path / "alone", tmp_path / "ray"
    run(RunConfig(model=SHAPE, train=TRAIN), {"tokens": tokens}, alone, Runtime())
    train = TRAIN.model_copy(update={"runner": "ray", "processes": 2})
    manifest = run(RunConfig(model=SHAPE, train=train), {"tokens": tokens}, on_ray, Runtime())
    ours, theirs = (read_metrics(folder) for folder in (on_ray, alone))
    assert [line["loss"] for line in ours] == pytest.approx([line["loss"] for line in theirs])
    assert ours[-1]["val_loss"] == pytest.approx(theirs[-1]["val_loss"])
    assert manifest.counts.out == 12
    assert (on_ray / "checkpoint" / "model.safetensors").is_file()
    assert not (on_ray / ".ray").exists()


@pytest.mark.slow
def test_a_training_that_fails_on_ray_says_why_and_is_not_repeated(tokens, tmp_path):
    train = TRAIN.model_copy(
        update={"runner": "ray", "processes": 2, "lr": 1e30, "checkpoint_every": 1}
    )
    with pytest.raises(WebtextError, match=r"step \d+: the loss is (nan|inf)"):
        run(RunConfig(model=SHAPE, train=train), {"tokens": tokens}, tmp_path / "run", Runtime())


@pytest.mark.slow
def test_a_training_that_is_stopped_on_ray_is_saved(tokens, tmp_path):
    output, config = tmp_path / "run", tmp_path / "config.json"
    train = TRAIN.model_copy(
        update={"runner": "ray", "steps": 100_000, "checkpoint_every": 100_000}
    )
    config.write_text(RunConfig(model=SHAPE, train=train).model_dump_json())
    arguments = ["--config", config, "--tokens", tokens, "--output", output]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "model.train_on_ray", *map(str, arguments)],
            stdout=log,
            stderr=log,
            env={key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"},
        )
        try:
            wait_until(lambda: len(read_metrics(output)) > 5, "the first steps")
            process.send_signal(signal.SIGTERM)
            assert process.wait(90) == 0, (tmp_path / "log").read_text()
        finally:
            process.kill()
    saved = newest(output)
    assert saved is not None
    assert saved.name == f"step-{len(read_metrics(output)):08d}"
