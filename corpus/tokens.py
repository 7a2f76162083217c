"""Stage "tokens": unique documents to token shards, split into train and val, and a vocabulary."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.ipc
from pydantic import Field

from corpus.atomic import atomic_path
from corpus.errors import UsageError, WebtextError
from corpus.manifest import Manifest
from corpus.parallel import map_in_processes
from corpus.runtime import Runtime
from corpus.schema import tokens_schema
from corpus.settings import Section
from corpus.shards import num_rows, open_shard, read_rows, shard_name
from corpus.stage import Inputs, StageWriter, data_shards
from corpus.tokenizer import MERGES, MIN_VOCAB_SIZE, Tokenizer, write_training_text

Split = Literal["train", "val"]

TOKENIZER_FOLDER = "tokenizer"

# Documents encoded at once: enough to keep the encoder busy, few enough to hold twice.
_BATCH_DOCUMENTS = 1024

LIBRARIES = ("webtext", "gigatoken")


class TokensConfig(Section):
    """How documents become tokens."""

    OPERATIONAL: ClassVar[frozenset[str]] = frozenset({"tokenizer"})

    vocab_size: int = Field(default=50_257, ge=MIN_VOCAB_SIZE)
    """Ids, end-of-text included (50,257: paper section 2.2). A small corpus may give fewer."""

    val_fraction: float = Field(default=0.05, gt=0, lt=1)
    """Share of the documents held out (5 %: paper section 3)."""

    tokenizer: Path | None = None
    """Folder with encoder.json and vocab.bpe to use; None learns them from the train split."""


def split_of(document_id: str, val_fraction: float) -> Split:
    """Which split a document belongs to: a function of its id alone, in this corpus and the next.

    Raising `val_fraction` only moves documents from train to val. The pieces of one document
    (ids ID-1, ID-2, ...: docs/decontamination.md) go where it went.
    """
    document_id = document_id.partition("-")[0]
    digest = hashlib.blake2b(document_id.encode(), digest_size=8).digest()
    return "val" if int.from_bytes(digest, "big") < val_fraction * 2**64 else "train"


def run(config: TokensConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Train or copy the vocabulary, then encode each documents shard into train and val shards.

    Args:
        config: The recipe's `[tokens]`.
        inputs: "documents": the folder of the unique stage; "tokenizer", if the recipe names one.
        output: Gets tokenizer/, train-NNNNN.arrow and val-NNNNN.arrow.
        runtime: Worker processes and progress.

    A val split without documents (a tiny corpus) is no error: training then has no val loss.

    Raises:
        WebtextError: there is no document to train on, or the tokenizer is not usable.
    """
    writer = StageWriter("tokens", config, inputs, output)
    shards = data_shards(inputs["documents"], "documents-")
    num_documents = sum(num_rows(shard) for shard in shards)
    runtime.progress.start(len(shards), "shards")
    folder = output / TOKENIZER_FOLDER
    if not (folder / MERGES).is_file():
        given = inputs.get("tokenizer")
        _copy_tokenizer(given, folder, config) if given else _train(shards, folder, config)
    tasks = [
        _EncodeTask(shard, index, folder, output, config.val_fraction)
        for index, shard in enumerate(shards)
    ]
    for task in tasks:
        if writer.is_done(shard_name("train", task.index)):
            runtime.progress.advance(note="done before")
    pending = [task for task in tasks if not writer.is_done(shard_name("train", task.index))]
    for num_tokens in map_in_processes(_encode_shard, pending, runtime.workers):
        runtime.progress.advance(note=f"{num_tokens:,} tokens")
    return writer.finish(num_documents, libraries=LIBRARIES, figures=_figures(output))


def _copy_tokenizer(source: Path, folder: Path, config: TokensConfig) -> None:
    tokenizer = Tokenizer.load(source)
    if tokenizer.vocab_size != config.vocab_size:
        raise UsageError(
            f"the tokenizer in {source} has {tokenizer.vocab_size} ids, "
            f"the recipe's tokens.vocab_size is {config.vocab_size}",
            hint=f"Set tokens.vocab_size to {tokenizer.vocab_size}.",
        )
    tokenizer.save(folder)


def _train(shards: list[Path], folder: Path, config: TokensConfig) -> None:
    task = _TrainTask(shards, folder, config.vocab_size, config.val_fraction)
    # In a process of its own: the trainer's memory goes back when it ends, its chatter nowhere.
    for num_documents in map_in_processes(_train_tokenizer, [task], workers=1):
        if not num_documents:
            raise WebtextError(
                "there is not one document in the train split to learn a vocabulary from",
                hint="Give the corpus more documents, or lower tokens.val_fraction.",
            )


@dataclass(frozen=True)
class _TrainTask:
    shards: list[Path]
    folder: Path
    vocab_size: int
    val_fraction: float


def _train_tokenizer(task: _TrainTask) -> int:
    """Learn and save the vocabulary of the train split; return how many documents it saw."""
    task.folder.mkdir(parents=True, exist_ok=True)
    num_documents = 0

    def texts() -> Iterator[str]:
        nonlocal num_documents
        for shard in task.shards:
            for row in read_rows(shard, ["id", "text"]):
                if split_of(row["id"], task.val_fraction) == "train":
                    num_documents += 1
                    yield row["text"]

    # The file is as large as the train split's text: memory stays flat, the disk must have room.
    corpus = task.folder / ".training-text"
    try:
        write_training_text(corpus, texts())
        if num_documents:
            Tokenizer.train(corpus, task.vocab_size).save(task.folder)
    finally:
        corpus.unlink(missing_ok=True)
    return num_documents


@dataclass(frozen=True)
class _EncodeTask:
    shard: Path
    index: int
    tokenizer: Path
    output: Path
    val_fraction: float


def _encode_shard(task: _EncodeTask) -> int:
    """Write one documents shard's val and, last, train shard; return the tokens of both."""
    tokenizer = Tokenizer.load(task.tokenizer)
    columns: dict[Split, _Columns] = {"val": _Columns([], []), "train": _Columns([], [])}
    end = np.array([tokenizer.end_of_text], dtype=np.uint32)
    for ids, texts in _document_batches(task.shard):
        for document_id, token_ids in zip(ids, tokenizer.encode_batch(texts), strict=True):
            split = columns[split_of(document_id, task.val_fraction)]
            split.ids.append(document_id)
            split.tokens.append(np.concatenate([token_ids, end]))
    for split, column in columns.items():
        path = task.output / shard_name(split, task.index)
        _write_tokens(path, column, tokens_schema(tokenizer.vocab_size))
    return sum(len(tokens) for column in columns.values() for tokens in column.tokens)


@dataclass(frozen=True)
class _Columns:
    ids: list[str]
    tokens: list[np.ndarray]


def _document_batches(shard: Path) -> Iterator[tuple[list[str], list[str]]]:
    reader = open_shard(shard)
    for index in range(reader.num_record_batches):
        batch = reader.get_batch(index).select(["id", "text"])
        for start in range(0, batch.num_rows, _BATCH_DOCUMENTS):
            part = batch.slice(start, _BATCH_DOCUMENTS)
            yield part.column("id").to_pylist(), part.column("text").to_pylist()


def _write_tokens(path: Path, columns: _Columns, schema: pa.Schema) -> None:
    """Write one uncompressed record batch, so that all tokens lie in one mappable stretch."""
    width = schema.field("tokens").type.value_type
    lengths = [len(tokens) for tokens in columns.tokens]
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
    stream = np.concatenate([np.empty(0, dtype=np.uint32), *columns.tokens])
    values = pa.array(stream.astype(width.to_pandas_dtype()), type=width)
    tokens = pa.LargeListArray.from_arrays(pa.array(offsets), values)
    batch = pa.record_batch([pa.array(columns.ids, pa.string()), tokens], schema=schema)
    with atomic_path(path) as temporary, pa.ipc.new_file(temporary, schema) as out:
        out.write_batch(batch)


def _figures(output: Path) -> dict[str, int | float | str]:
    figures: dict[str, int | float | str] = {
        "vocab_size": Tokenizer.load(output / TOKENIZER_FOLDER).vocab_size
    }
    for split in ("train", "val"):
        shards = sorted(output.glob(f"{split}-*.arrow"))
        figures[f"num_{split}_documents"] = sum(num_rows(shard) for shard in shards)
        figures[f"num_{split}_tokens"] = sum(map(len, token_streams(shards)))
    return figures


def token_streams(shards: Iterable[Path]) -> Iterator[np.ndarray]:
    """Each shard's tokens end to end, documents ended by end-of-text: a memory map, no copy.

    Raises:
        WebtextError: a shard is missing, truncated or not a token shard.
    """
    for shard in shards:
        reader = open_shard(shard)
        if "tokens" not in reader.schema.names or reader.num_record_batches != 1:
            raise WebtextError(
                f"{shard} is no token shard (one record batch with a column 'tokens')",
                hint="Give the folder that the tokens stage wrote.",
            )
        yield reader.get_batch(0).column("tokens").values.to_numpy(zero_copy_only=True)
