"""Workers of a Ray score as one process does."""

from pathlib import Path

import pytest

from corpus.manifest import read_manifest
from corpus.runtime import Runtime
from evaluation.evaluate import run, score_table
from evaluation.settings import EvaluateConfig
from model.checkpoint import save_checkpoint
from model.settings import CHECKPOINT

pytest.importorskip("ray")

from corpus.ray_runner import RayRunner


@pytest.mark.slow
def test_the_scores_are_those_of_one_process(make_tokens, model, tokenizer, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    save_checkpoint(tmp_path / "run" / CHECKPOINT, model, tokenizer, step=1)
    texts = [f"held-out text number {n}" * (1 + n % 3) for n in range(20)]
    inputs = {"run": tmp_path / "run", "tokens": make_tokens(["train text"] * 3, texts)}
    config = EvaluateConfig(tasks=("heldout",), batch_tokens=64)
    run(config, inputs, tmp_path / "alone", Runtime())
    with RayRunner(tmp_path, workers=2) as runner:
        run(config, inputs, tmp_path / "on_ray", Runtime(runner=runner))
    assert score_table(tmp_path / "on_ray") == score_table(tmp_path / "alone")
    assert read_manifest(tmp_path / "on_ray").hash == read_manifest(tmp_path / "alone").hash
