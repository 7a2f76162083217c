"""A finished corpus of given texts: documents in shards, and tokens that say which is held out."""

from collections.abc import Collection, Mapping
from pathlib import Path

from corpus.schema import DOCUMENTS, tokens_schema
from corpus.settings import Section
from corpus.shards import shard_name
from corpus.stage import StageWriter
from tests.dedup.conftest import document


def write_corpus(
    folder: Path, texts: Mapping[str, str], *, num_shards: int = 1, held_out: Collection[str] = ()
) -> dict[str, Path]:
    """Write texts by URL; returns the inputs `documents` and `tokens`."""
    rows = [document(url, text) for url, text in texts.items()]
    unique = StageWriter("unique", Section(), {}, folder / "documents")
    for number in range(num_shards):
        unique.write(shard_name("documents", number), rows[number::num_shards], DOCUMENTS)
    unique.finish(len(rows))
    tokens = StageWriter("tokens", Section(), {}, folder / "tokens")
    for split in ("train", "val"):
        ids = [row["id"] for row in rows if (row["url"] in held_out) == (split == "val")]
        pieces = [{"id": each, "tokens": [1]} for each in ids]
        tokens.write(shard_name(split, 0), pieces, tokens_schema(256))
    tokens.finish(len(rows))
    return {"documents": folder / "documents", "tokens": folder / "tokens"}
