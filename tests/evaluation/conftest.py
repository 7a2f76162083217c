"""A tiny GPT-2 with a byte vocabulary, a tokens folder, and the real benchmark files."""

import csv
import json
import os
import re
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from corpus.benchmarks.language_modeling import LM1B_FILE
from corpus.benchmarks.questions import CNNDM_FILE
from corpus.schema import tokens_schema
from corpus.settings import Section
from corpus.shards import shard_name, write_shard
from corpus.stage import StageWriter
from corpus.tokenizer import Tokenizer
from evaluation.examples import example_rows, examples_schema
from evaluation.scoring.language_model import GPT2LanguageModel
from evaluation.scoring.scorer import BatchTokens, Scorer, answer_here
from evaluation.task import Score, Subject, Task
from model.gpt2 import GPT2
from model.settings import GPT2Config


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Tensors of a few numbers: threads would only wait for each other."""
    torch.set_num_threads(1)


class NoConfig(Section):
    """The folders here come from no real stage."""


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_merges([])


def random_model(tokenizer: Tokenizer, block_size: int) -> GPT2:
    torch.manual_seed(1)
    config = GPT2Config(
        block_size=block_size, n_layer=2, n_head=2, n_embd=16, vocab_size=tokenizer.vocab_size
    )
    network = GPT2(config)
    with torch.no_grad():  # larger weights: predictions that differ from token to token
        for parameter in network.parameters():
            parameter.mul_(4)
    return network.eval()


@pytest.fixture(scope="session")
def model(tokenizer) -> GPT2:
    return random_model(tokenizer, 32)


@pytest.fixture(scope="session")
def wide_model(tokenizer) -> GPT2:
    """Room for the questions of Winograd and the Children's Book Test, byte by byte."""
    return random_model(tokenizer, 3000)


@pytest.fixture(scope="session")
def scorer_of(tokenizer):
    def make(model: GPT2, stride=None, *, shares_contexts=True, batch_tokens=512) -> Scorer:
        answering = answer_here(GPT2LanguageModel(model, shares_contexts=shares_contexts))
        sizes = BatchTokens(batch_tokens, batch_tokens)
        return Scorer(model.config.block_size, tokenizer.end_of_text, answering, stride, sizes)

    return make


@pytest.fixture
def subject_of(model, tokenizer, scorer_of, tmp_path):
    def make(tokens=tmp_path, benchmarks=None, max_examples=None, model=model, **more) -> Subject:
        scorer = scorer_of(model, **more)
        return Subject(scorer, tokenizer, tokens, benchmarks, max_examples)

    return make


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
    """A task's examples as the table that its shard would hold, by its first variant or another."""

    def measure(task: Task, subject: Subject, variant: int = 0) -> pa.Table:
        chosen = task.variants[variant]
        rows = example_rows(task, chosen.name, chosen.measure(subject))
        return pa.Table.from_pylist(list(rows), examples_schema(task))

    return measure


@pytest.fixture(scope="session")
def scored(measured):
    """A task's scores by metric."""

    def score(task: Task, subject: Subject, variant: int = 0) -> dict[str, Score]:
        words = task.variants[variant].description
        scores = task.scores(measured(task, subject, variant), words)
        return {score.metric: score for score in scores}

    return score


WHOLE_SETS = (
    "lambada", "wikitext2", "wikitext2_raw", "wikitext103", "ptb", "wsc273", "nq_open", "wmt_fr_en"
)  # fmt: skip


@pytest.fixture(scope="session")
def official(benchmarks, tmp_path_factory) -> Path:
    """Every set under its official name; of those that are not to be had, files of that kind."""
    folder = tmp_path_factory.mktemp("official")
    for name in (
        "lambada",
        "wikitext2",
        "wikitext2_raw",
        "wikitext103",
        "ptb",
        "wsc273",
        "nq_open",
        "wmt_fr_en",
    ):
        (folder / name).symlink_to(benchmarks / name)
    for words in ("CN", "NE"):
        question = (benchmarks / "cbt" / f"cbtest_{words}_valid.sample.txt").read_text()
        (folder / "cbt").mkdir(exist_ok=True)
        (folder / "cbt" / f"cbtest_{words}_valid_2000ex.txt").write_text(question)
    (folder / "cnndm").mkdir()
    articles = (benchmarks / "cnndm" / "cnndm-test-subset200.jsonl").read_text().splitlines()
    with (folder / CNNDM_FILE).open("w", newline="") as file:
        rows = csv.DictWriter(file, ["id", "article", "highlights"], extrasaction="ignore")
        rows.writeheader()
        rows.writerows(map(json.loads, articles))
    (folder / "coqa").mkdir()
    subset = benchmarks / "coqa" / "coqa-dev-subset50.json"
    (folder / "coqa" / "coqa-dev-v1.0.json").symlink_to(subset)
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
