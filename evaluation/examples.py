"""What a task measured of each of its examples: the rows that every figure is computed from."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa

from corpus.errors import WebtextError
from corpus.manifest import read_manifest
from corpus.shards import open_shard
from corpus.stage import data_shards
from evaluation.task import Row, Task

PREFIX: Final = "examples"
"""Shards of examples, one per task and variant, are `examples-00000.arrow`, ..."""

_OF_ALL_TASKS: Final = (
    ("task", pa.string()),
    ("variant", pa.string()),
    ("example", pa.int64()),  # its place in its set, counted from 0, as in the overlap rows
    ("nats", pa.float64()),  # -log p of the tokens that the task scores, summed
    ("num_tokens", pa.int64()),  # those tokens, or those that the model wrote
)


def examples_schema(task: Task) -> pa.Schema:
    """The columns of a task's shard."""
    return pa.schema([*_OF_ALL_TASKS, *task.columns])


def example_rows(task: Task, variant: str, rows: Iterable[Row]) -> Iterator[dict]:
    """The rows of a task's shard."""
    for number, row in enumerate(rows):
        yield {"task": task.name, "variant": variant, "example": number, **row}


def read_examples(path: Path, task: Task) -> pa.Table:
    """The examples of one task: some 50 bytes of memory each, and what was written.

    Raises:
        WebtextError: the shard is missing, damaged, or holds something else.
    """
    reader = open_shard(path)
    if reader.schema != examples_schema(task):
        raise WebtextError(
            f"{path} holds no examples of {task.name} that this version reads",
            hint="Give a scores folder of this version; evaluating again makes one.",
        )
    return reader.read_all()


def example_shards(scores: Path) -> Iterator[tuple[str, Path]]:
    """Task and shard of each measurement of a finished scores folder, in its order.

    Raises:
        WebtextError: the folder is not finished, damaged, or of a version that kept no examples.
    """
    shards = data_shards(scores, f"{PREFIX}-")
    if not shards and read_manifest(scores).counts.out:
        raise WebtextError(
            f"{scores} holds scores without their examples: an earlier version made it",
            hint="Remove the folder and evaluate again.",
        )
    for path in shards:
        reader = open_shard(path)
        if {"task", "variant"} - set(reader.schema.names):
            raise WebtextError(
                f"{path} holds no examples that this version reads",
                hint="Give a scores folder of this version; evaluating again makes one.",
            )
        if reader.num_record_batches and len(batch := reader.get_batch(0)):
            yield batch["task"][0].as_py(), path
