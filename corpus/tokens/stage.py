"""Stage "tokens": unique documents to token shards, split into train and val, and a vocabulary."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.ipc
from pydantic import Field

from corpus.atomic import atomic_path
from corpus.errors import UsageError, WebtextError
from corpus.manifest import Manifest, library_versions, read_manifest
from corpus.merges import write_training_text
from corpus.parallel import map_in_processes
from corpus.runtime import Runtime
from corpus.settings import Section
from corpus.shards import num_rows, num_tokens, open_shard, shard_name
from corpus.stage import Inputs, StageWriter, data_shards
from corpus.storage.files import local_file
from corpus.storage.hard_links import link_file
from corpus.tokenizer import MERGES, MIN_VOCAB_SIZE, Tokenizer
from corpus.tokens.encoding import encode_documents, read_batches, token_rows_schema
from corpus.tokens.reuse import reusable_shards, shard_number
from corpus.tokens.splits import SPLITS, Split, SplitBy, held_out

TOKENIZER_FOLDER = "tokenizer"

LIBRARIES = ("webtext", "gigatoken")

_COLUMNS = ["id", "domain", "text"]

# From so many documents on, a held-out share that is far from the one asked for is no chance.
_MANY_DOCUMENTS = 100
_FAR = 4


class TokensConfig(Section):
    """How documents become tokens."""

    OPERATIONAL: ClassVar[frozenset[str]] = frozenset({"tokenizer"})

    vocab_size: int = Field(default=50_257, ge=MIN_VOCAB_SIZE)
    """Ids, end-of-text included (50,257: paper section 2.2). A small corpus may give fewer."""

    val_fraction: float = Field(default=0.05, gt=0, lt=1)
    """Share of the documents held out (5 %: paper section 3)."""

    split_by: SplitBy = "domain"
    """What is held out whole. Sites, by their registrable domain, so that held-out text is of
    other sites than training text; or single documents, for a corpus of few sites."""

    tokenizer: Path | None = None
    """Folder with encoder.json and vocab.bpe to use; None learns them from the train split."""


def run(config: TokensConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Train or copy the vocabulary, then encode each documents shard into train and val shards.

    Workers are threads, because nearly all of the work is done outside the interpreter. Each holds
    one shard's tokens (twice while they are joined) and a record batch of texts; training holds
    what `corpus.merges.learn_merges` says.

    Args:
        config: The recipe's `[tokens]`.
        inputs: "documents": a finished folder of documents; "tokenizer": a folder, if the recipe
            names one; "base": the tokens of an earlier version of the corpus, if there is one.
            Token shards of a documents shard that has not changed since are linked, not made
            anew; no byte of the result depends on the base.
        output: Gets tokenizer/, train-NNNNN.arrow and val-NNNNN.arrow.
        runtime: Workers (threads, on this machine) and progress.

    A val split without documents (a tiny corpus) is no error: training then has no val loss.

    Raises:
        WebtextError: there is no document to train on, or the tokenizer is not usable.
    """
    writer = StageWriter("tokens", config, inputs, output)
    shards = data_shards(inputs["documents"], "documents-")
    # From the manifest: the rows of a compressed shard can only be counted by inflating it.
    recorded = read_manifest(inputs["documents"]).shards
    num_documents = sum(s.rows for s in recorded if s.name.startswith("documents-"))
    runtime.progress.start(len(shards), "shards")
    if not (output / TOKENIZER_FOLDER / MERGES).is_file():
        _make_tokenizer(config, inputs, output, num_documents)
    tokenizer = _load(output / TOKENIZER_FOLDER)
    reused = _link_shards(config, inputs, output, tokenizer)
    tasks = [_EncodeTask(shard, output, config) for shard in shards]
    for task in tasks:
        if writer.is_done(task.name("train")):
            is_reused = shard_number(task.shard) in reused
            runtime.progress.advance(note="as in the base" if is_reused else "done before")
    pending = [task for task in tasks if not writer.is_done(task.name("train"))]
    for encoded in _encoded(pending, runtime):
        runtime.progress.advance(note=f"{encoded:,} tokens")
    figures = _figures(output, tokenizer)
    if not figures["num_train_documents"]:
        raise _no_training_text(config, num_documents)
    if "base" in inputs:
        figures["num_reused_shards"] = len(reused)
    problems = _split_problems(config, int(figures["num_val_documents"]), num_documents)
    return writer.finish(num_documents, libraries=LIBRARIES, figures=figures, problems=problems)


_load = lru_cache(maxsize=1)(Tokenizer.load)  # shards share it


def _make_tokenizer(config: TokensConfig, inputs: Inputs, output: Path, num_documents: int) -> None:
    folder = output / TOKENIZER_FOLDER
    if "tokenizer" in inputs:
        _copy_tokenizer(inputs["tokenizer"], folder, config)
        return
    task = _TrainTask(data_shards(inputs["documents"], "documents-"), folder, config)
    # In a process of its own: the trainer's memory goes back when it ends, its chatter nowhere.
    for num_texts in map_in_processes(_train_tokenizer, [task], workers=1):
        if not num_texts:
            raise _no_training_text(config, num_documents)


def _copy_tokenizer(source: Path, folder: Path, config: TokensConfig) -> None:
    tokenizer = Tokenizer.load(source)
    if tokenizer.vocab_size != config.vocab_size:
        raise UsageError(
            f"the tokenizer in {source} has {tokenizer.vocab_size} ids, "
            f"the recipe's tokens.vocab_size is {config.vocab_size}",
            hint=f"Set tokens.vocab_size to {tokenizer.vocab_size}.",
        )
    tokenizer.save(folder)


@dataclass(frozen=True)
class _TrainTask:
    shards: list[Path]
    folder: Path
    config: TokensConfig


def _train_tokenizer(task: _TrainTask) -> int:
    """Learn and save the vocabulary of the train split; return how many documents it saw."""
    task.folder.mkdir(parents=True, exist_ok=True)
    num_documents = 0

    def texts() -> Iterator[str]:
        nonlocal num_documents
        for shard in task.shards:
            for documents in read_batches(shard, _COLUMNS):
                train = documents.column("text").filter(
                    pa.array(~_held_out(documents, task.config))
                )
                num_documents += len(train)
                yield from train.to_pylist()

    # The file is as large as the train split's text: memory stays flat, the disk must have room.
    corpus = task.folder / ".training-text"
    try:
        write_training_text(corpus, texts())
        if num_documents:
            Tokenizer.train(corpus, task.config.vocab_size).save(task.folder)
    finally:
        corpus.unlink(missing_ok=True)
    return num_documents


def _held_out(documents: pa.RecordBatch, config: TokensConfig) -> np.ndarray:
    return held_out(documents, config.val_fraction, config.split_by)


def _link_shards(
    config: TokensConfig, inputs: Inputs, output: Path, tokenizer: Tokenizer
) -> set[int]:
    """Link what the base has already; return the numbers of those shards."""
    base = inputs.get("base")
    if base is None:
        return set()
    numbers = reusable_shards(
        base,
        inputs["documents"],
        settings=config.model_dump(mode="json", include={"val_fraction", "split_by"}),
        versions=library_versions(LIBRARIES),
        vocabulary=tokenizer.fingerprint,
    )
    for number in sorted(numbers):
        for split in ("val", "train"):  # train last: its presence means that both are there
            name = shard_name(split, number)
            link_file(local_file(base / name), output / name)
    return numbers


@dataclass(frozen=True)
class _EncodeTask:
    shard: Path
    output: Path
    config: TokensConfig

    def name(self, split: Split) -> str:
        return shard_name(split, shard_number(self.shard))


def _encoded(tasks: list[_EncodeTask], runtime: Runtime) -> Iterator[int]:
    """Encode shards side by side; yield the tokens of each."""
    if runtime.runner.is_remote:
        yield from runtime.runner.map(_encode_shard, tasks, runtime.workers)
        return
    with ThreadPoolExecutor(runtime.workers) as pool:
        yield from pool.map(_encode_shard, tasks)


def _encode_shard(task: _EncodeTask) -> int:
    """Write one documents shard's val and, last, train shard; return the tokens of both."""
    tokenizer = _load(task.output / TOKENIZER_FOLDER)
    schema = token_rows_schema(tokenizer)
    nothing = pa.RecordBatch.from_pylist([], schema)
    rows: dict[Split, list[pa.RecordBatch]] = {"val": [nothing], "train": [nothing]}
    for documents in read_batches(task.shard, _COLUMNS):
        is_val = _held_out(documents, task.config)
        masks: dict[Split, np.ndarray] = {"val": is_val, "train": ~is_val}
        for split, wanted in masks.items():
            if wanted.any():  # texts are parted, not tokens: Arrow copies strings faster than lists
                part = documents.filter(pa.array(wanted))
                rows[split].append(encode_documents(tokenizer, part, schema))
    num_encoded = 0
    for split, batches in rows.items():
        joined = pa.concat_batches(batches)
        num_encoded += len(joined.column("tokens").values)
        write_tokens(task.output / task.name(split), joined)
    return num_encoded


def write_tokens(path: Path, documents: pa.RecordBatch) -> None:
    """Write a token shard: one uncompressed record batch, all its tokens in one mappable stretch.

    To rewrite a shard without some documents, with the bytes that the stage would give it:
    `write_tokens(path, open_shard(shard).get_batch(0).filter(keep))`.

    Args:
        path: The shard, written atomically.
        documents: Columns `id` and `tokens` (`corpus.schema.tokens_schema`); the schema is written
            as it is, with its metadata, which names the vocabulary.

    Raises:
        WebtextError: no space left for the shard.
    """
    with (
        atomic_path(path) as temporary,
        pa.ipc.new_file(temporary, documents.schema) as out,
    ):
        out.write_batch(documents)


def _figures(output: Path, tokenizer: Tokenizer) -> dict[str, int | float | str]:
    figures: dict[str, int | float | str] = {"vocab_size": tokenizer.vocab_size}
    for split in SPLITS:
        shards = sorted(output.glob(f"{split}-*.arrow"))
        figures[f"num_{split}_documents"] = sum(num_rows(shard) for shard in shards)
        figures[f"num_{split}_tokens"] = sum(num_tokens(shard) or 0 for shard in shards)
    return figures


def _split_problems(config: TokensConfig, num_val: int, num_documents: int) -> list[str]:
    """What to say of a held-out share that few or uneven sites have made too small or too large."""
    share = num_val / max(1, num_documents)
    is_near = config.val_fraction / _FAR < share < config.val_fraction * _FAR
    if config.split_by == "document" or num_documents < _MANY_DOCUMENTS or is_near:
        return []
    return [
        f"{share:.1%} of the {num_documents:,} documents are held out, not "
        f"{config.val_fraction:.1%}: whole sites are, and the corpus has few large ones; "
        'tokens.split_by = "document" holds out single documents'
    ]


def _no_training_text(config: TokensConfig, num_documents: int) -> WebtextError:
    by_document = 'Set tokens.split_by = "document": all documents are of held-out sites.'
    few = "Give the corpus more documents, or lower tokens.val_fraction."
    return WebtextError(
        f"not one of {num_documents:,} documents is in the train split",
        hint=by_document if num_documents and config.split_by == "domain" else few,
    )


def token_streams(shards: Iterable[Path]) -> Iterator[np.ndarray]:
    """Each shard's tokens end to end, documents ended by end-of-text: a memory map, no copy.

    Raises:
        WebtextError: a shard is missing, truncated or not a token shard.
    """
    for shard in shards:
        reader = open_shard(local_file(shard))
        if "tokens" not in reader.schema.names or reader.num_record_batches != 1:
            raise WebtextError(
                f"{shard} is no token shard (one record batch with a column 'tokens')",
                hint="Give the folder that the tokens stage wrote.",
            )
        yield reader.get_batch(0).column("tokens").values.to_numpy(zero_copy_only=True)
