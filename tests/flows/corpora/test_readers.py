"""Others read what we write: each sees the same ids, texts and tokens, without anything of ours."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pds
import pyarrow.ipc
import pytest
import torch

from corpus.runtime import Runtime
from corpus.shards import read_rows
from corpus.stage import data_shards
from corpus.tokenizer import Tokenizer
from corpus.tokens import stage as tokens_stage
from corpus.tokens.stage import TokensConfig
from flows.corpora.card_snippets import DOCUMENT_SNIPPETS, TOKEN_SNIPPETS
from flows.corpora.dataset_card import write_card
from tests.flows.small_corpora import document, write_documents

ROWS = [
    document(
        f"https://host{i % 10}.example/{i}",
        f"Straße {i}: 日本語 🎉\n" + "and more of the text of it\n" * (i % 7),
        subreddits=["books", "de"][: i % 3],
        score=None if i % 5 else i,
        title=None if i % 4 else f"Title {i}",
    )
    for i in range(60)
]


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tokens folder of a corpus with three shards, made by its stage, with its cards."""
    data = tmp_path_factory.mktemp("data")
    documents = write_documents(data / "unique" / "a", ROWS, num_shards=3)
    folder = data / "tokens" / "a"
    config = TokensConfig(vocab_size=300, val_fraction=0.4)
    tokens_stage.run(config, {"documents": documents}, folder, Runtime())
    write_card(folder)
    return folder


@pytest.fixture(scope="module")
def documents(tokens: Path) -> Path:
    return tokens.parents[1] / "unique" / "a"


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """Hugging Face datasets, offline, with its cache in a folder of the test."""
    with pytest.MonkeyPatch.context() as patched, warnings.catch_warnings():
        patched.setenv("HF_HUB_OFFLINE", "1")
        patched.setenv("HF_DATASETS_OFFLINE", "1")
        patched.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf")))
        import datasets

        datasets.disable_progress_bars()
        cache = tmp_path_factory.mktemp("cache")
        patched.setattr("datasets.config.HF_DATASETS_CACHE", cache)
        yield datasets


def expected_documents(folder: Path) -> list[tuple[str, str]]:
    return [
        (row["id"], row["text"])
        for shard in data_shards(folder, "documents-")
        for row in read_rows(shard)
    ]


def expected_tokens(folder: Path, split: str) -> list[tuple[str, list[int]]]:
    return [
        (row["id"], row["tokens"])
        for shard in data_shards(folder, f"{split}-")
        for row in read_rows(shard)
    ]


def test_both_splits_are_there_and_decode_to_the_documents(tokens: Path, documents: Path):
    texts = dict(expected_documents(documents))
    tokenizer = Tokenizer.load(tokens / "tokenizer")
    splits = [expected_tokens(tokens, split) for split in ("train", "val")]
    assert all(splits)
    assert {i: tokenizer.decode(ids[:-1]) for split in splits for i, ids in split} == texts
    assert texts == {row["id"]: row["text"] for row in ROWS}


def test_pyarrow_opens_a_shard_and_a_folder_of_them(tokens: Path, documents: Path):
    shard = documents / "documents-00000.arrow"
    with pa.OSFile(str(shard)) as file:
        assert pa.ipc.open_file(file).read_all()["id"].to_pylist() == [r["id"] for r in ROWS[::3]]
    table = pds.dataset(sorted(documents.glob("documents-*.arrow")), format="ipc").to_table()
    pairs = zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True)
    assert list(pairs) == expected_documents(documents)
    for split in ("train", "val"):
        table = pds.dataset(sorted(tokens.glob(f"{split}-*.arrow")), format="ipc").to_table()
        pairs = zip(table["id"].to_pylist(), table["tokens"].to_pylist(), strict=True)
        assert list(pairs) == expected_tokens(tokens, split)


def test_polars_opens_a_shard_and_scans_all(tokens: Path, documents: Path):
    one = pl.read_ipc(documents / "documents-00001.arrow")
    assert one["url"].to_list() == [row["url"] for row in ROWS[1::3]]
    assert one["subreddits"].to_list() == [row["subreddits"] for row in ROWS[1::3]]
    every = pl.scan_ipc(documents / "documents-*.arrow").select("id", "text").collect()
    assert every.rows() == expected_documents(documents)
    encoded = pl.scan_ipc(tokens / "train-*.arrow").collect()
    assert encoded.rows() == expected_tokens(tokens, "train")
    assert encoded.schema["tokens"] == pl.List(pl.UInt16)


def test_duckdb_asks_through_arrow(tokens: Path, documents: Path):
    texts = pds.dataset(sorted(documents.glob("documents-*.arrow")), format="ipc")
    encoded = pds.dataset(sorted(tokens.glob("train-*.arrow")), format="ipc")
    with duckdb.connect() as connection:
        connection.register("texts", texts)
        connection.register("encoded", encoded)
        rows = connection.sql("SELECT id, text FROM texts").fetchall()
        assert sorted(rows) == sorted(expected_documents(documents))
        query = (
            "SELECT t.id, e.tokens FROM texts t JOIN encoded e USING (id) WHERE len(e.tokens) > 9"
        )
        joined = connection.sql(query).fetchall()
    long = [pair for pair in expected_tokens(tokens, "train") if len(pair[1]) > 9]
    assert sorted(joined) == sorted(long)


def test_hugging_face_datasets_loads_a_folder_by_its_card(
    tokens: Path, documents: Path, datasets: ModuleType
):
    loaded = datasets.load_dataset(str(documents))
    assert list(loaded) == ["train"]
    assert [(r["id"], r["text"]) for r in loaded["train"]] == expected_documents(documents)
    encoded = datasets.load_dataset(str(tokens))
    for name, split in (("train", "train"), ("validation", "val")):
        assert [(r["id"], r["tokens"]) for r in encoded[name]] == expected_tokens(tokens, split)


def test_hugging_face_datasets_streams_and_reads_single_shards(
    tokens: Path, documents: Path, datasets: ModuleType
):
    streamed = datasets.load_dataset(str(documents), split="train", streaming=True)
    assert [row["id"] for row in streamed.take(3)] == [row["id"] for row in ROWS[::3][:3]]
    shard = str(tokens / "val-00000.arrow")
    loaded = datasets.load_dataset("arrow", data_files=shard, split="train")
    first = [(row["id"], row["tokens"]) for row in read_rows(Path(shard))]
    assert [(row["id"], row["tokens"]) for row in loaded] == first


def test_torch_reads_the_mapped_stream_without_a_copy(tokens: Path):
    shard = pa.ipc.open_file(pa.memory_map(str(tokens / "train-00000.arrow"))).get_batch(0)
    values = shard.column("tokens").values
    stream = torch.from_dlpack(values)
    assert stream.dtype == torch.uint16
    assert stream.data_ptr() == values.buffers()[1].address
    rows = read_rows(tokens / "train-00000.arrow")
    assert stream.tolist() == [token for row in rows for token in row["tokens"]]
    assert np.array_equal(values.to_numpy(zero_copy_only=True), stream.numpy())


@pytest.mark.parametrize(
    ("kind", "name"),
    [*(("tokens", n) for n in TOKEN_SNIPPETS), *(("documents", n) for n in DOCUMENT_SNIPPETS)],
)
@pytest.mark.usefixtures("datasets")
def test_the_code_in_the_card_runs_as_it_stands(
    kind: str, name: str, request: pytest.FixtureRequest
):
    folder = request.getfixturevalue(kind)
    code = (TOKEN_SNIPPETS if kind == "tokens" else DOCUMENT_SNIPPETS)[name]
    assert code in (folder / "README.md").read_text()
    found: dict = {"folder": str(folder)}
    exec(code, found)
    train = expected_tokens(folder, "train") if kind == "tokens" else []
    texts = expected_documents(folder) if kind == "documents" else []
    facts = {
        "num_tokens": lambda value: value == sum(len(ids) for _, ids in train),
        "stream": lambda value: len(value) > 0 and value[-1] == train[0][1][-1],
        "by_domain": lambda value: dict(value.rows()) == {f"host{i}.example": 6 for i in range(10)},
        "longest": lambda value: value[0][1] == longest(train or texts),
        "table": lambda value: value["id"].to_pylist() == [row["id"] for row in ROWS[::3]],
        "first": lambda value: value == (train or texts)[0][1],
    }
    checked = [check(found[value]) for value, check in facts.items() if value in found]
    assert checked
    assert all(checked)


def longest(rows: list) -> int:
    return max(len(value) for _, value in rows)
