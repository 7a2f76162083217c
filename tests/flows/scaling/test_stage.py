"""Each size is measured on the same windows, and counted without its embeddings."""

import math
from pathlib import Path

import pytest
import torch

from corpus.errors import WebtextError
from corpus.manifest import read_manifest
from corpus.runtime import Runtime
from corpus.tokens.splits import SPLITS
from corpus.tokens.windows import TokenWindows
from flows.scaling.stage import Scaling, read_scaling, run
from flows.settings import ScalingConfig
from model.settings import ModelConfig, RunConfig, TrainConfig
from tests.flows.small_runs import VOCAB_SIZE, write_run, write_word_tokens

BLOCK_SIZE = 16
WIDTHS = (8, 16, 24)
# Three steps of two windows: less than an epoch, so that most of the training split is not seen.
TRAIN = TrainConfig(steps=3, batch_size=2, micro_batch_size=2, seed=5)


def shape(width: int) -> RunConfig:
    model = ModelConfig(block_size=BLOCK_SIZE, n_layer=2, n_head=2, n_embd=width)
    return RunConfig(model=model, train=TRAIN)


def measure(folder: Path, runs: dict[str, Path], tokens: Path, eval_windows: int = 8) -> Scaling:
    config = ScalingConfig(eval_windows=eval_windows)
    run(config, {**runs, "tokens": tokens}, folder, Runtime())
    return read_scaling(folder)


@pytest.fixture
def runs(tmp_path: Path, tokens: Path) -> dict[str, Path]:
    folders = {f"run-{i}": tmp_path / "runs" / str(width) for i, width in enumerate(WIDTHS)}
    for folder, width in zip(folders.values(), WIDTHS, strict=True):
        write_run(folder, tokens, shape(width))
    return folders


def test_a_size_is_its_blocks_and_last_norm_and_stands_beside_the_count_of_all(
    tmp_path: Path, runs: dict[str, Path], tokens: Path
):
    rows = measure(tmp_path / "scaling", runs, tokens).rows
    # Per block: 4 C^2 + 4 C of attention, 8 C^2 + 5 C of the MLP, 4 C of two norms.
    assert [row.num_parameters for row in rows] == [
        2 * (12 * c * c + 13 * c) + 2 * c for c in WIDTHS
    ]
    assert [row.num_parameters_with_embeddings - row.num_parameters for row in rows] == [
        (VOCAB_SIZE + BLOCK_SIZE) * c for c in WIDTHS
    ]
    assert [row.run for row in rows] == [str(width) for width in WIDTHS]


def test_training_perplexity_is_of_windows_that_were_trained_on(
    tmp_path: Path, runs: dict[str, Path], tokens: Path
):
    found = measure(tmp_path / "scaling", runs, tokens, eval_windows=1000)
    windows = {split: TokenWindows(tokens, split, BLOCK_SIZE) for split in SPLITS}
    order = TRAIN.order(len(windows["train"]))
    seen = [index for step in range(TRAIN.steps) for index in order.batch(step, TRAIN.batch_size)]
    chosen = {"train": seen, "val": list(range(len(windows["val"])))}
    assert found.num_windows == {split: len(each) for split, each in chosen.items()}
    model = write_run(tmp_path / "again", tokens, shape(WIDTHS[0]))
    for split in SPLITS:
        rows = torch.from_numpy(windows[split].read(chosen[split]))
        with torch.no_grad():
            loss = float(model(rows[:, :-1], rows[:, 1:]))
        assert found.rows[0].perplexity[split] == pytest.approx(math.exp(loss), rel=1e-3)


def test_models_that_know_nothing_have_the_vocabulary_s_size_as_perplexity(
    tmp_path: Path, tokens: Path
):
    runs = {f"run-{width}": tmp_path / str(width) for width in WIDTHS}
    for folder, width in zip(runs.values(), WIDTHS, strict=True):
        write_run(folder, tokens, shape(width), is_blank=True)
    found = measure(tmp_path / "scaling", runs, tokens, eval_windows=4)
    for split in SPLITS:
        assert [row.perplexity[split] for row in found.rows] == [VOCAB_SIZE] * len(WIDTHS)
        assert found.fits[split].slope == pytest.approx(0, abs=1e-9)
    assert found.num_windows == {"train": 4, "val": 4}


def test_the_result_does_not_depend_on_the_order_of_the_runs(
    tmp_path: Path, runs: dict[str, Path], tokens: Path
):
    turned = dict(zip(runs, reversed(runs.values()), strict=True))
    measured = [
        measure(tmp_path / name, each, tokens, eval_windows=8)
        for name, each in {"a": runs, "b": turned}.items()
    ]
    assert measured[0] == measured[1]
    manifests = [read_manifest(tmp_path / name) for name in "ab"]
    assert manifests[0].hash == manifests[1].hash
    assert manifests[0].figures["val_slope"] == measured[0].fits["val"].slope


def test_a_split_without_a_whole_window_is_named(tmp_path: Path):
    tokens = write_word_tokens(tmp_path, num_documents=6)
    config = RunConfig(model=ModelConfig(block_size=900, n_layer=1, n_head=1, n_embd=8))
    write_run(tmp_path / "run", tokens, config)
    with pytest.raises(WebtextError, match="too few for one window of 901"):
        measure(tmp_path / "scaling", {"run-0": tmp_path / "run"}, tokens)
    assert not (tmp_path / "scaling" / "manifest.json").exists()
