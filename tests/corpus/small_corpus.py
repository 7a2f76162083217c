"""A small corpus made by its stages: documents, unique documents, tokens."""

import hashlib
import random
from pathlib import Path

import pyarrow as pa

from corpus.manifest import Manifest
from corpus.runtime import Runtime
from corpus.schema import DOCUMENTS
from corpus.settings import Section
from corpus.shards import shard_name
from corpus.stage import StageWriter
from corpus.tokens.stage import TokensConfig, run as run_tokens
from dedup.unique.stage import DedupConfig, run as run_unique

NUM_SHARDS = 3
DOCUMENTS_PER_SHARD = 20


def make_corpus(data: Path, seed: int = 0) -> dict[str, Path]:
    """A folder per stage, by the stage's name; other seeds give other texts of the same sizes."""
    folders = {stage: data / stage / f"{seed:016d}" for stage in ("documents", "unique", "tokens")}
    write_documents(folders["documents"], seed)
    for stage in ("unique", "tokens"):
        run_stage(stage, folders, folders[stage])
    return folders


def run_stage(stage: str, folders: dict[str, Path], output: Path) -> Manifest:
    """Run the stage `unique` or `tokens` on the one before it."""
    if stage == "unique":
        return run_unique(DedupConfig(), {"documents": folders["documents"]}, output, Runtime())
    config = TokensConfig(vocab_size=300, val_fraction=0.3)
    return run_tokens(config, {"documents": folders["unique"]}, output, Runtime())


def write_documents(folder: Path, seed: int, schema: pa.Schema = DOCUMENTS) -> None:
    """Texts of 300 random words, 15 sites, and one copy in each shard."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefghij", k=rng.randint(2, 9))) for _ in range(2_000)]
    texts = [" ".join(rng.choices(words, k=300)) for _ in range(DOCUMENTS_PER_SHARD * NUM_SHARDS)]
    texts[::DOCUMENTS_PER_SHARD] = [texts[1]] * NUM_SHARDS
    rows = [_document(f"http://site-{i % 15}.com/{i}", text) for i, text in enumerate(texts)]
    writer = StageWriter("documents", Section(), {}, folder)
    for index in range(NUM_SHARDS):
        writer.write(shard_name("documents", index), rows[index::NUM_SHARDS], schema)
    writer.finish(len(rows))


def _document(url: str, text: str) -> dict:
    row = dict.fromkeys(DOCUMENTS.names)
    document_id = hashlib.sha256(url.encode()).hexdigest()[:16]
    return row | {"id": document_id, "url": url, "domain": url.split("/")[2], "text": text}
