"""Which pages a step saw: every token of its batch is accounted for, by the page it came from."""

import io
from collections import Counter

import pyarrow as pa
import pyarrow.ipc
import pytest
from rich.console import Console

from corpus.atomic import write_bytes
from corpus.errors import UsageError, WebtextError
from corpus.manifest import MANIFEST, WITHDRAWN, read_manifest, stage_key
from corpus.schema import DOCUMENTS, tokens_schema
from corpus.settings import Section
from corpus.shards import shard_name
from corpus.stage import StageWriter
from corpus.tokens.order import SampleOrder
from flows.corpora.step_documents import step_documents, step_table
from model.launch import LIBRARIES
from model.settings import CONFIG_FILE, ModelConfig, RunConfig, TrainConfig

BLOCK_SIZE = 8
TRAIN = TrainConfig(steps=20, batch_size=6, micro_batch_size=2, seed=5, skipped_steps=((3, 5),))
CONFIG = RunConfig(model=ModelConfig(block_size=BLOCK_SIZE, n_head=1, n_embd=1), train=TRAIN)

# Tokens of each document, by shard; the first document of each shard is held out.
SIZES = [[4, 9, 1, 30], [2], [5, 3, 3, 3, 3, 61, 2]]


class NoConfig(Section):
    pass


def url(shard, row):
    return f"http://site{shard}.example/{'a-path/' * 4}page-{row}"


def document(shard, row):
    empty = dict.fromkeys(DOCUMENTS.names)
    title = None if row == 1 else f"\x1b[31mPage {row}"
    return empty | {"id": f"{shard:08}{row:08}", "url": url(shard, row), "title": title}


def write_tokens(path, rows):
    schema = tokens_schema(1000)
    columns = {
        "id": [row["id"] for row, _ in rows],
        "tokens": [[1] * size for _, size in rows],
    }
    with pa.ipc.new_file(path, schema) as out:
        out.write_batch(pa.RecordBatch.from_pydict(columns, schema=schema))


@pytest.fixture
def data(tmp_path):
    documents = StageWriter("unique", NoConfig(), {}, tmp_path / "unique" / "d")
    inputs = {"documents": documents.output}
    tokens = StageWriter("tokens", NoConfig(), inputs, tmp_path / "tokens" / "t")
    num_documents = sum(map(len, SIZES))
    for shard, sizes in enumerate(SIZES):
        rows = [(document(shard, row), size) for row, size in enumerate(sizes)]
        documents.write(shard_name("documents", shard), [row for row, _ in rows], DOCUMENTS)
        write_tokens(tokens.output / shard_name("val", shard), rows[:1])
        write_tokens(tokens.output / shard_name("train", shard), rows[1:])
    documents.finish(num_documents)
    tokens.finish(num_documents)
    return tmp_path


@pytest.fixture
def run(data):
    writer = StageWriter("run", CONFIG, {"tokens": data / "tokens" / "t"}, data / "runs" / "r")
    writer.finish(TRAIN.steps, num_out=TRAIN.steps)
    return writer.output


def pages_of_tokens():
    """The URL of each token of the train split, in order."""
    return [
        url(shard, row)
        for shard, sizes in enumerate(SIZES)
        for row, size in enumerate(sizes)
        if row
        for _ in range(size)
    ]


@pytest.mark.parametrize(("step", "plain_step"), [(1, 0), (2, 1), (3, 4), (20, 21)])
def test_every_predicted_token_of_a_step_has_its_page(run, step, plain_step):
    pages = pages_of_tokens()
    order = SampleOrder(TRAIN.seed, (len(pages) - 1) // BLOCK_SIZE)
    expected: Counter[str] = Counter()
    for window in order.batch(plain_step, TRAIN.batch_size).tolist():
        expected.update(pages[window * BLOCK_SIZE + 1 : (window + 1) * BLOCK_SIZE + 1])
    found = step_documents(run, step)
    assert {each.url: each.num_tokens for each in found} == expected
    assert sum(each.num_tokens for each in found) == TRAIN.batch_size * BLOCK_SIZE
    sizes = [each.num_tokens for each in found]
    assert sizes == sorted(sizes, reverse=True)


def test_a_run_in_training_says_the_same(data, run):
    key = stage_key("runs", CONFIG, {"tokens": read_manifest(run).inputs["tokens"].hash}, LIBRARIES)
    unfinished = data / "runs" / key
    elsewhere = TRAIN.model_copy(update={"device": "cpu", "processes": 3})
    config = CONFIG.model_copy(update={"train": elsewhere})
    write_bytes(unfinished / CONFIG_FILE, config.model_dump_json().encode())
    assert step_documents(unfinished, 20) == step_documents(run, 20)
    other = unfinished.rename(data / "runs" / "0123456789abcdef")
    with pytest.raises(WebtextError, match=r"no corpus in .* is the one"):
        step_documents(other, 20)


def printed(table):
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(table, soft_wrap=True)
    return console.export_text()


def test_the_table_names_pages_and_cannot_speak_to_the_terminal(run):
    text = printed(step_table(run, 1))
    documents = step_documents(run, 1)
    assert text.startswith(f"step 1: 48 tokens of {len(documents)} documents\n")
    assert {each.url for each in documents} <= set(text.splitlines())
    assert "\x1b" not in text
    assert "[31mPage" in text


def test_a_withdrawn_corpus_is_a_clear_error(data, run):
    tokens = data / "tokens" / "t"
    (tokens / MANIFEST).rename(tokens / WITHDRAWN)
    with pytest.raises(WebtextError, match="was withdrawn by a takedown"):
        step_documents(run, 1)


def test_documents_that_were_made_anew_are_not_taken_for_those_of_the_run(data, run):
    writer = StageWriter("unique", NoConfig(), {}, data / "unique" / "d")
    writer.write(shard_name("documents", 0), [document(0, 0)], DOCUMENTS)
    writer.finish(1 + sum(map(len, SIZES[1:])))
    with pytest.raises(WebtextError, match="was made anew since"):
        step_documents(run, 1)


@pytest.mark.parametrize("step", [0, 21])
def test_a_step_that_no_run_has_is_wrong_usage(run, step):
    with pytest.raises(UsageError, match=f"has no step {step}") as error:
        step_documents(run, step)
    assert "from 1 to 20" in error.value.hint


def test_another_folder_is_wrong_usage(data):
    with pytest.raises(UsageError, match="made by the stage tokens"):
        step_documents(data / "tokens" / "t", 1)
    with pytest.raises(UsageError, match="is no folder of a run"):
        step_documents(data / "runs" / "none", 1)
