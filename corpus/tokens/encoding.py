"""Documents as rows of token ids, in Arrow and numpy: no Python object per document or token."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from corpus.errors import WebtextError
from corpus.schema import tokens_schema
from corpus.shards import open_shard
from corpus.tokenizer import Tokenizer

_VOCABULARY = b"vocabulary"


def token_rows_schema(tokenizer: Tokenizer) -> pa.Schema:
    """The schema of a token shard; its metadata names the vocabulary by its fingerprint."""
    metadata = {_VOCABULARY: tokenizer.fingerprint.encode()}
    return tokens_schema(tokenizer.vocab_size).with_metadata(metadata)


def vocabulary_of(shard: Path) -> str | None:
    """`Tokenizer.fingerprint` of the vocabulary that a token shard was made with.

    None: the shard is of a version that did not record it.
    """
    fingerprint = (open_shard(shard).schema.metadata or {}).get(_VOCABULARY)
    return None if fingerprint is None else fingerprint.decode()


def read_batches(shard: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """The record batches of a shard, one in memory at a time, each checked to be sound.

    Raises:
        WebtextError: the shard is damaged. Of a flipped bit that leaves valid texts nothing is
            seen here: `corpus.verify` compares every byte before a stage runs.
    """
    reader = open_shard(shard, columns)
    for index in range(reader.num_record_batches):
        try:
            batch = reader.get_batch(index).select(columns)  # in that order
            # Offsets beyond the buffers, and bytes that are no UTF-8, end here and not in a crash.
            batch.validate(full=True)
        except (pa.ArrowException, OSError) as exc:
            raise WebtextError(
                f"shard {shard} is damaged: {exc}",
                hint="Move its folder away and run the command that made it again.",
            ) from exc
        yield batch


def encode_documents(
    tokenizer: Tokenizer, documents: pa.RecordBatch, schema: pa.Schema
) -> pa.RecordBatch:
    """Rows of a token shard: the ids of each text and, after them, end-of-text.

    Args:
        tokenizer: The vocabulary.
        documents: Columns `id` and `text`.
        schema: `token_rows_schema` of the tokenizer.
    """
    token_ids, offsets = tokenizer.encode_column(documents.column("text"))
    width = schema.field("tokens").type.value_type
    narrow = token_ids.astype(width.to_pandas_dtype())
    stream = np.insert(narrow, offsets[1:], tokenizer.end_of_text)
    # Each document before this one has become longer by its end-of-text.
    ends = offsets + np.arange(len(offsets), dtype=np.int64)
    tokens = pa.LargeListArray.from_arrays(pa.array(ends), pa.array(stream, width))
    return pa.record_batch([documents.column("id"), tokens], schema=schema)
