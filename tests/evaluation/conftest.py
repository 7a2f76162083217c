"""A tiny GPT-2 with a byte vocabulary, a tokens folder, and the real benchmark files."""

import os
import re
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from corpus.benchmarks.language_modeling import LM1B_FILE
from corpus.schema import tokens_schema
from corpus.settings import Section
from corpus.shards import shard_name, write_shard
from corpus.stage import StageWriter
from corpus.tokenizer import Tokenizer
from evaluation.examples import EXAMPLES, example_rows
from evaluation.task import Score, Subject, Task
from model.gpt2 import GPT2
from model.settings import GPT2Config


class NoConfig(Section):
    """The folders here come from no real stage."""


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_merges([])


@pytest.fixture(scope="session")
def model(tokenizer) -> GPT2:
    torch.manual_seed(1)
    config = GPT2Config(
        block_size=32, n_layer=2, n_head=2, n_embd=16, vocab_size=tokenizer.vocab_size
    )
    network = GPT2(config)
    with torch.no_grad():  # larger weights: predictions that differ from token to token
        for parameter in network.parameters():
            parameter.mul_(4)
    return network.eval()


@pytest.fixture
def make_tokens(tmp_path, tokenizer):
    def make(train: list[str], val: list[str]) -> Path:
        writer = StageWriter("tokens", NoConfig(), {}, tmp_path / "tokens")
        for split, texts in (("train", train), ("val", val)):
            rows = [
                {"id": str(i), "tokens": [*tokenizer.encode(text), tokenizer.end_of_text]}
                for i, text in enumerate(texts)
            ]
            path = tmp_path / "tokens" / shard_name(split, 0)
            write_shard(path, rows, tokens_schema(tokenizer.vocab_size))
        writer.finish(len(train) + len(val))
        return tmp_path / "tokens"

    return make


@pytest.fixture(scope="session")
def measured():
    """A task's examples as the table that its shard would hold."""

    def measure(task: Task, subject: Subject) -> pa.Table:
        return pa.Table.from_pylist(list(example_rows(task.name, task.measure(subject))), EXAMPLES)

    return measure


@pytest.fixture(scope="session")
def scored(measured):
    """A task's scores by metric."""

    def score(task: Task, subject: Subject) -> dict[str, Score]:
        scores = task.scores(measured(task, subject), subject.scorer.stride)
        return {score.metric: score for score in scores}

    return score


@pytest.fixture(scope="session")
def official(benchmarks, tmp_path_factory) -> Path:
    """Every set under its official name; of those that are not to be had, files of that kind."""
    folder = tmp_path_factory.mktemp("official")
    for name in ("lambada", "wikitext2", "wikitext103", "ptb", "wsc273"):
        (folder / name).symlink_to(benchmarks / name)
    (folder / "lm1b").mkdir()
    sample = (benchmarks / "lm1b" / "news.en.heldout.sample.txt").read_text()
    (folder / LM1B_FILE).write_text(sample)
    text = (benchmarks / "wikitext2_raw" / "wiki.test.raw").read_text()
    letters = re.sub("[^a-z]+", " ", text.lower())
    for name, content in (("enwik8", text.encode()), ("text8", letters.encode())):
        (folder / name).mkdir()
        with (folder / name / name).open("wb") as file:
            file.truncate(95_000_000)  # what is not scored takes no disk
            file.seek(0, os.SEEK_END)
            file.write((content * 10)[-5_000_000:])
    return folder
