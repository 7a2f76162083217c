"""A run's folder goes in, a table of scores beside the paper's comes out."""

import multiprocessing
import os
import signal

import pyarrow as pa
import pytest

from corpus.errors import UsageError, WebtextError
from corpus.runtime import Runtime, SilentProgress
from corpus.shards import read_rows, shard_name, write_shard
from evaluation.evaluate import TASKS, run, score_table
from evaluation.examples import EXAMPLES, examples_by_task, read_examples
from evaluation.paper import TABLE_3, WINOGRAD
from evaluation.settings import EvaluateConfig
from model.checkpoint import save_checkpoint
from model.settings import CHECKPOINT


@pytest.fixture
def inputs(make_tokens, model, tokenizer, tmp_path):
    save_checkpoint(tmp_path / "run" / CHECKPOINT, model, tokenizer, step=1)
    tokens = make_tokens(["train text"] * 3, ["held-out text"] * 2)
    return {"run": tmp_path / "run", "tokens": tokens}


class KillAfterOneTask(SilentProgress):
    """kill -9 as soon as a task is done."""

    def advance(self, count: int = 1, note: str = "") -> None:
        if count:
            os.kill(os.getpid(), signal.SIGKILL)


def run_until_killed(config, inputs, output):
    run(config, inputs, output, Runtime(progress=KillAfterOneTask()))


def test_a_killed_evaluation_goes_on_at_the_task(inputs, benchmarks, tmp_path):
    inputs = {**inputs, "benchmarks": benchmarks}
    config = EvaluateConfig(tasks=("lambada", "heldout"), max_examples=20)
    whole = run(config, inputs, tmp_path / "whole", Runtime())
    killed = tmp_path / "killed"
    arguments = (config, inputs, killed)
    process = multiprocessing.get_context("spawn").Process(target=run_until_killed, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert {path.name for path in killed.glob("*.arrow")} == {"examples-00000.arrow"}
    assert run(config, inputs, killed, Runtime()).hash == whole.hash

    # What was measured before the kill is not measured again: here it says something else.
    (killed / "manifest.json").unlink()
    (killed / "scores-00000.arrow").unlink()
    row = {"task": "lambada", "example": 0, "nats": 0.0, "num_tokens": 1, "is_correct": True}
    write_shard(killed / shard_name("examples", 0), [row], EXAMPLES)
    assert run(config, inputs, killed, Runtime()).figures["lambada_perplexity"] == 1


def test_scores_are_those_of_all_examples(inputs, official, tmp_path):
    config = EvaluateConfig(max_examples=3)
    run(config, {**inputs, "benchmarks": official}, tmp_path / "out", Runtime())
    by_task = examples_by_task(tmp_path / "out")
    assert list(by_task) == list(config.tasks)
    tasks = {task.name: task for task in TASKS.values()}
    for row in score_table(tmp_path / "out"):
        examples = by_task[row.task]
        scores = tasks[row.task].scores(examples, stride=32)
        [score] = (score for score in scores if score.metric == row.metric)
        assert row.value == float(f"{score.value:.5g}")
        assert (row.num_examples, row.num_tokens) == (score.num_examples, score.num_tokens)
        assert row.protocol == score.protocol
        assert examples["example"].to_pylist() == [0, 1, 2][: len(examples)]


def test_a_shard_of_another_kind_is_no_examples(tmp_path):
    write_shard(tmp_path / "examples-00000.arrow", [], pa.schema([("text", pa.string())]))
    with pytest.raises(WebtextError, match="no scored examples"):
        read_examples(tmp_path / "examples-00000.arrow")


def test_every_planned_metric_has_a_row(inputs, official, tmp_path):
    config = EvaluateConfig(max_examples=3)
    hashes = set()
    for name in ("one", "two"):
        output = tmp_path / name
        manifest = run(config, {**inputs, "benchmarks": official}, output, Runtime())
        hashes.add(manifest.hash)
    assert len(hashes) == 1
    assert (manifest.counts.incoming, manifest.counts.out) == (18, 18)
    rows = score_table(tmp_path / "one")
    assert list(dict.fromkeys(row.task for row in rows)) == list(config.tasks)
    by_name = {(row.task, row.metric): row for row in rows}
    assert by_name["lambada", "perplexity"].paper_117M == 35.13
    assert by_name["heldout", "loss"].paper_1542M is None
    assert by_name["heldout", "loss"].value == manifest.figures["heldout_loss"]
    assert by_name["heldout", "gain"].value == manifest.figures["gain"]
    assert by_name["wikitext2", "word_perplexity"].num_examples == 3
    # Every figure of the paper's table 3 that a task of ours measures stands beside it.
    papers = {(column.task, column.metric) for column in (*TABLE_3, WINOGRAD)}
    assert {name for name, row in by_name.items() if row.paper_1542M} == {
        name for name in papers if name[0] in config.tasks
    }


def test_a_missing_benchmark_is_said_with_where_to_get_it(inputs, tmp_path):
    empty = tmp_path / "benchmarks"
    empty.mkdir()
    manifest = run(EvaluateConfig(), {**inputs, "benchmarks": empty}, tmp_path / "out", Runtime())
    assert manifest.counts.rejects == {"not_available": 14}
    rejects = list(read_rows(tmp_path / "out" / "rejects-00000.arrow"))
    assert rejects[0]["key"] == "lambada.perplexity"
    assert "https://" in rejects[0]["detail"]
    assert {row.task for row in score_table(tmp_path / "out")} == {"heldout"}


def test_without_a_benchmarks_folder_the_held_out_split_is_scored(inputs, tmp_path):
    manifest = run(EvaluateConfig(), inputs, tmp_path / "out", Runtime())
    assert (manifest.counts.incoming, manifest.counts.out) == (18, 4)
    assert list(examples_by_task(tmp_path / "out")) == ["heldout"]


def test_a_stride_longer_than_the_block_is_a_usage_error(inputs, tmp_path):
    with pytest.raises(UsageError, match="stride"):
        run(EvaluateConfig(stride=64), inputs, tmp_path / "out", Runtime())
