"""What a task measured of each of its examples: the rows that every figure is computed from."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from corpus.errors import WebtextError
from corpus.manifest import read_manifest
from corpus.shards import open_shard
from corpus.stage import data_shards

EXAMPLES: Final = pa.schema(
    [
        ("task", pa.string()),
        ("example", pa.int64()),  # its place in its set, counted from 0, as in the overlap rows
        ("nats", pa.float64()),  # -log p of the tokens that the task scores, summed
        ("num_tokens", pa.int64()),  # those tokens
        # Null in the rows of a task that does not measure it.
        ("num_units", pa.int64()),
        ("unigram_nats", pa.float64()),
        ("is_correct", pa.bool_()),
        ("is_correct_full", pa.bool_()),
    ]
)

PREFIX: Final = "examples"
"""Shards of examples, one per task, are `examples-00000.arrow`, ..."""


@dataclass(frozen=True)
class Example:
    """One document, passage or article under a model."""

    example: int
    """Its place in its set, counted from 0."""
    nats: float
    """Negative log-probability of the tokens that the task scores."""
    num_tokens: int
    """Tokens that the task scores: of LAMBADA's passages the last word's."""
    num_units: int | None = None
    """Words as published, line ends included; of enwik8 bytes, of text8 characters."""
    unigram_nats: float | None = None
    """Held-out split: the same as `nats` by the train split's token counts."""
    is_correct: bool | None = None
    """LAMBADA: whether greedy decoding gives the last word. Winograd: by partial scoring."""
    is_correct_full: bool | None = None
    """Winograd: by the probability of the full sentence."""


def example_rows(task: str, examples: Iterable[Example]) -> Iterator[dict]:
    """The rows of a task's shard."""
    for example in examples:
        yield {"task": task, **vars(example)}


def read_examples(path: Path) -> pa.Table:
    """The examples of one task, in the columns of `EXAMPLES`: some 50 bytes of memory each.

    Raises:
        WebtextError: the shard is missing, damaged, or holds something else.
    """
    reader = open_shard(path)
    if reader.schema != EXAMPLES:
        raise WebtextError(
            f"{path} holds no scored examples that this version reads",
            hint="Give a scores folder of this version; evaluating again makes one.",
        )
    return reader.read_all()


def examples_by_task(scores: Path) -> dict[str, pa.Table]:
    """The examples of each task of a finished scores folder, in the order of its tasks.

    Raises:
        WebtextError: the folder is not finished, damaged, or of a version that kept no examples.
    """
    shards = data_shards(scores, f"{PREFIX}-")
    if not shards and read_manifest(scores).counts.out:
        raise WebtextError(
            f"{scores} holds scores without their examples: an earlier version made it",
            hint="Remove the folder and evaluate again.",
        )
    tables = (read_examples(path) for path in shards)
    return {table["task"][0].as_py(): table for table in tables if len(table)}
