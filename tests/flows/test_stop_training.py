"""Ctrl-C and SIGTERM end `webtext train` after a step, saved; the command it names goes on."""

import os
import signal
import subprocess
import sys
import time

import pytest

from corpus.metrics import read_metrics
from model.training.training_state import newest
from tests.flows.small_runs import write_word_tokens

RECIPE = """
[model]
block_size = 16
n_layer = 1
n_head = 2
n_embd = 16

[train]
steps = 1500
batch_size = 4
micro_batch_size = 4
eval_every = 1500
eval_windows = 4
checkpoint_every = 1000
device = "cpu"
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_training_is_saved_and_goes_on(tmp_path, number):
    tokens = write_word_tokens(tmp_path / "data")
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE)
    skipped = "train.skipped_steps=[[1400, 1410]]"
    arguments = ["train", recipe, "--corpus", tokens, "--set", skipped, "--data", tmp_path / "data"]
    process = subprocess.Popen(
        [sys.executable, "-m", "flows", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "300"},
        # A background shell's children ignore Ctrl-C otherwise.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    runs = tmp_path / "data" / "runs"
    end = time.monotonic() + 200
    while not any(len(read_metrics(folder)) > 20 for folder in runs.glob("*")):
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(number)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    (run,) = runs.iterdir()
    saved = newest(run)
    assert saved is not None
    step = len(read_metrics(run))
    assert saved.name == f"step-{step:08d}"
    assert f"stopped after step {step:,}, which is saved" in said
    # As a shell takes it: what holds spaces or brackets is quoted.
    assert f"resume with: webtext train {recipe} --corpus {tokens} --set '{skipped}'" in said
    done = subprocess.run(
        [sys.executable, "-m", "flows", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "300"},
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    assert [line["step"] for line in read_metrics(run)] == list(range(1, 1501))
    assert (run / "manifest.json").is_file()
