"""A run's folder goes in, a table of scores beside the paper's comes out."""

import multiprocessing
import os
import signal

import orjson
import pyarrow as pa
import pytest
import torch

from corpus.errors import WebtextError
from corpus.runtime import Runtime, SilentProgress
from corpus.shards import read_rows, write_shard
from evaluation.all_tasks import TASKS
from evaluation.evaluate import plan, run, score_table
from evaluation.examples import example_shards, read_examples
from evaluation.paper import SINGLE_FIGURES, TABLE_3, TABLE_4
from evaluation.settings import EvaluateConfig
from evaluation.tasks.lambada import LAMBADA
from model.checkpoint import save_checkpoint
from model.settings import CHECKPOINT


@pytest.fixture
def inputs(make_tokens, model, tokenizer, tmp_path):
    save_checkpoint(tmp_path / "run" / CHECKPOINT, model, tokenizer, step=1)
    tokens = make_tokens(["train text"] * 3, ["held-out text"] * 2)
    return {"run": tmp_path / "run", "tokens": tokens}


class KillAfter(SilentProgress):
    """kill -9 as soon as so many requests are answered."""

    def __init__(self, count: int) -> None:
        self._left = count

    def advance(self, count: int = 1, note: str = "") -> None:
        self._left -= count
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Count(SilentProgress):
    """How many requests there were."""

    count = 0

    def advance(self, count: int = 1, note: str = "") -> None:
        self.count += count


def run_until_killed(config, inputs, output, count):
    torch.set_num_threads(1)
    run(config, inputs, output, Runtime(progress=KillAfter(count)))


@pytest.fixture
def kill_after():
    def kill(config, inputs, output, count):
        arguments = (config, inputs, output, count)
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=run_until_killed, args=arguments)
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL

    return kill


def shards(folder):
    """Every shard's bytes by its name."""
    return {path.name: path.read_bytes() for path in folder.glob("*.arrow")}


SMALL = EvaluateConfig(
    tasks=("lambada", "wikitext2", "cbt_cn", "wsc273", "heldout"), max_examples=12, batch_tokens=90
)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.03, 0.3, 0.93])
def test_a_killed_evaluation_goes_on_at_the_batch(inputs, official, tmp_path, kill_after, share):
    inputs = {**inputs, "benchmarks": official}
    progress = Count()
    whole = run(SMALL, inputs, tmp_path / "whole", Runtime(progress=progress))
    killed = tmp_path / "killed"
    kill_after(SMALL, inputs, killed, int(share * progress.count))
    assert run(SMALL, inputs, killed, Runtime()).hash == whole.hash
    assert shards(killed) == shards(tmp_path / "whole")
    assert not list(killed.glob(".answers*"))


def test_nothing_is_asked_twice(inputs, official, tmp_path, kill_after):
    inputs, config = {**inputs, "benchmarks": official}, SMALL
    killed = tmp_path / "killed"
    kill_after(config, inputs, killed, 7)
    [log] = killed.glob(".answers*")
    # A line that was cut short is asked for again, what stands before it is believed.
    lines = log.read_bytes().split(b"\n")
    forged = orjson.loads(lines[1])
    forged[0][1]["logprobs"] = [-100.0]
    log.write_bytes(b"\n" + orjson.dumps(forged) + b"\n" + lines[2][:20])
    run(config, inputs, killed, Runtime())
    task = LAMBADA
    nats = read_examples(killed / "examples-00000.arrow", task)["nats"].to_pylist()
    assert 100.0 in nats


@pytest.mark.slow
def test_neither_batches_nor_processes_change_a_number(inputs, official, tmp_path):
    inputs = {**inputs, "benchmarks": official}
    tables = []
    for name, more in (
        ("one", {}),
        ("single", {"batch_tokens": 1}),
        ("two", {"processes": 2}),
    ):
        config = SMALL.model_copy(update=more)
        run(config, inputs, tmp_path / name, Runtime())
        assert config.identity() == SMALL.identity()
        tables.append(score_table(tmp_path / name))
    assert tables[0] == tables[1] == tables[2]


def test_scores_are_those_of_all_examples(inputs, official, tmp_path):
    config = EvaluateConfig(max_examples=3, grid=True, strides=(1024, 8))
    run(config, {**inputs, "benchmarks": official}, tmp_path / "out", Runtime())
    tasks = {task.name: task for task in TASKS.values()}
    tables = [
        (name, read_examples(shard, tasks[name]))
        for name, shard in example_shards(tmp_path / "out")
    ]
    examples_of = {(name, table["variant"][0].as_py()): table for name, table in tables}
    rows = score_table(tmp_path / "out")
    assert len({(row.task, row.variant, row.metric) for row in rows}) == len(rows)
    assert {(row.task, row.variant) for row in rows} == set(examples_of)
    for row in rows:
        examples = examples_of[row.task, row.variant]
        [score] = (s for s in tasks[row.task].scores(examples, "") if s.metric == row.metric)
        assert row.value == float(f"{score.value:.5g}")
        assert (row.num_examples, row.num_tokens) == (score.num_examples, score.num_tokens)
        assert row.is_partial == (row.num_examples == 3)
        assert row.low is None or row.low <= row.value <= (row.high or 0)
        assert examples["example"].to_pylist() == [0, 1, 2][: len(examples)]


def test_the_grid_has_each_variant_at_each_stride_the_nearest_first():
    config = EvaluateConfig(tasks=("wikitext2", "lambada"), grid=True, strides=(1024, 32))
    names = [(each.task.name, each.name, each.is_nearest) for each in plan(config, block_size=64)]
    assert names == [
        ("wikitext2", "detokenised, stride 64", True),
        ("wikitext2", "detokenised, stride 32", False),
        ("wikitext2", "raw, stride 64", False),
        ("wikitext2", "raw, stride 32", False),
        ("wikitext2", "all_words, stride 64", False),
        ("wikitext2", "all_words, stride 32", False),
        ("wikitext2", "all_words_detokenised, stride 64", False),
        ("wikitext2", "all_words_detokenised, stride 32", False),
        ("lambada", "openai", True),
        ("lambada", "openai_straight", False),
        ("lambada", "plain_text", False),
    ]


def test_a_shard_of_another_kind_is_no_examples(tmp_path):
    write_shard(tmp_path / "examples-00000.arrow", [], pa.schema([("text", pa.string())]))
    with pytest.raises(WebtextError, match="no examples of lambada"):
        read_examples(tmp_path / "examples-00000.arrow", LAMBADA)


def test_every_planned_metric_has_a_row(inputs, official, tmp_path):
    config = EvaluateConfig(max_examples=3)
    hashes = set()
    for name in ("one", "two"):
        output = tmp_path / name
        manifest = run(config, {**inputs, "benchmarks": official}, output, Runtime())
        hashes.add(manifest.hash)
    assert len(hashes) == 1
    num_metrics = sum(len(TASKS[name].metrics) for name in config.tasks)
    # No conversation about news is among the first three.
    assert manifest.counts.rejects == {"no_examples": 1}
    assert (manifest.counts.incoming, manifest.counts.out) == (num_metrics, num_metrics - 1)
    rows = score_table(tmp_path / "one")
    assert list(dict.fromkeys(row.task for row in rows)) == list(config.tasks)
    by_name = {(row.task, row.metric): row for row in rows}
    assert by_name["lambada", "perplexity"].paper_117M == 35.13
    assert by_name["heldout", "loss"].paper_1542M is None
    assert by_name["heldout", "loss"].value == manifest.figures["heldout_loss"]
    assert by_name["heldout", "gain"].value == manifest.figures["gain"]
    assert by_name["wikitext2", "word_perplexity"].num_examples == 3
    # Every figure of the paper's table 3 that a task of ours measures stands beside it.
    papers = {(column.task, column.metric) for column in (*TABLE_3, *TABLE_4, *SINGLE_FIGURES)}
    assert {name for name, row in by_name.items() if row.paper_1542M} == {
        name for name in papers if name[0] in config.tasks
    }


def test_a_missing_benchmark_is_said_with_where_to_get_it(inputs, tmp_path):
    empty = tmp_path / "benchmarks"
    empty.mkdir()
    manifest = run(EvaluateConfig(), {**inputs, "benchmarks": empty}, tmp_path / "out", Runtime())
    num_metrics = sum(len(TASKS[name].metrics) for name in EvaluateConfig().tasks)
    assert manifest.counts.rejects == {"not_available": num_metrics - 4}
    rejects = list(read_rows(tmp_path / "out" / "rejects-00000.arrow"))
    assert rejects[0]["key"] == "lambada.perplexity"
    assert "https://" in rejects[0]["detail"]
    assert {row.task for row in score_table(tmp_path / "out")} == {"heldout"}


def test_without_a_benchmarks_folder_the_held_out_split_is_scored(inputs, tmp_path):
    manifest = run(EvaluateConfig(), inputs, tmp_path / "out", Runtime())
    assert manifest.counts.out == 4
    assert [name for name, _ in example_shards(tmp_path / "out")] == ["heldout"]


def test_a_model_without_a_corpus_is_scored_on_the_benchmarks(inputs, official, tmp_path):
    config = EvaluateConfig(tasks=("heldout", "lambada"), max_examples=2)
    folders = {"model": inputs["run"] / CHECKPOINT, "benchmarks": official}
    manifest = run(config, folders, tmp_path / "out", Runtime())
    assert manifest.counts.rejects == {"not_available": 4}
    assert {row.task for row in score_table(tmp_path / "out")} == {"lambada"}
