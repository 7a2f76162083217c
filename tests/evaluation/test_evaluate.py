"""A run's folder goes in, a table of scores beside the paper's comes out."""

import pytest

from corpus.errors import UsageError
from corpus.runtime import Runtime
from corpus.shards import read_rows
from evaluation.evaluate import run, score_table
from evaluation.settings import EvaluateConfig
from model.checkpoint import CHECKPOINT, save_checkpoint


@pytest.fixture
def inputs(make_tokens, model, tokenizer, tmp_path):
    save_checkpoint(tmp_path / "run" / CHECKPOINT, model, tokenizer, step=1)
    tokens = make_tokens(["train text"] * 3, ["held-out text"] * 2)
    return {"run": tmp_path / "run", "tokens": tokens}


def test_every_planned_metric_has_a_row(inputs, benchmarks, tmp_path):
    config = EvaluateConfig(max_examples=3)
    hashes = set()
    for name in ("one", "two"):
        output = tmp_path / name
        manifest = run(config, {**inputs, "benchmarks": benchmarks}, output, Runtime())
        hashes.add(manifest.hash)
    assert len(hashes) == 1
    assert (manifest.counts.incoming, manifest.counts.out) == (10, 10)
    rows = score_table(tmp_path / "one")
    assert list(dict.fromkeys(row.task for row in rows)) == list(config.tasks)
    by_name = {(row.task, row.metric): row for row in rows}
    assert by_name["lambada", "perplexity"].paper_117M == 35.13
    assert by_name["heldout", "loss"].paper_1542M is None
    assert by_name["heldout", "loss"].value == manifest.figures["heldout_loss"]
    assert by_name["heldout", "gain"].value == manifest.figures["gain"]
    assert by_name["wikitext2", "word_perplexity"].num_examples == 3


def test_a_missing_benchmark_is_said_with_where_to_get_it(inputs, tmp_path):
    empty = tmp_path / "benchmarks"
    empty.mkdir()
    manifest = run(EvaluateConfig(), {**inputs, "benchmarks": empty}, tmp_path / "out", Runtime())
    assert manifest.counts.rejects == {"not_available": 6}
    rejects = list(read_rows(tmp_path / "out" / "rejects-00000.arrow"))
    assert rejects[0]["key"] == "lambada.perplexity"
    assert "https://" in rejects[0]["detail"]
    assert {row.task for row in score_table(tmp_path / "out")} == {"heldout"}


def test_without_a_benchmarks_folder_the_held_out_split_is_scored(inputs, tmp_path):
    manifest = run(EvaluateConfig(), inputs, tmp_path / "out", Runtime())
    assert (manifest.counts.incoming, manifest.counts.out) == (10, 4)


def test_a_stride_longer_than_the_block_is_a_usage_error(inputs, tmp_path):
    with pytest.raises(UsageError, match="stride"):
        run(EvaluateConfig(stride=64), inputs, tmp_path / "out", Runtime())
