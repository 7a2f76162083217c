"""Real benchmark files and small document and token folders, written as their stages do."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from corpus.schema import DOCUMENTS, tokens_schema
from corpus.settings import Section
from corpus.shards import shard_name
from corpus.stage import StageWriter

FIRST_DAY = datetime(2005, 6, 1, tzinfo=UTC)

MakeFolder = Callable[..., Path]


class NoConfig(Section):
    """The folders here come from no real stage."""


def document(url: str, text: str, day: int = 0) -> dict:
    return {
        "id": hashlib.sha256(url.encode()).hexdigest()[:16],
        "url": url,
        "domain": "example.org",
        "score": 3,
        "first_seen": FIRST_DAY + timedelta(days=day),
        "title": "",
        "text": text,
    }


@pytest.fixture
def new_document() -> Callable[..., dict]:
    return document


def write_documents(folder: Path, shards: Sequence[Sequence[dict]]) -> Path:
    """A finished documents folder with one shard per list of documents."""
    writer = StageWriter("documents", NoConfig(), {}, folder)
    for index, rows in enumerate(shards):
        writer.write(shard_name("documents", index), rows, DOCUMENTS)
    writer.finish(sum(map(len, shards)))
    return folder


@pytest.fixture
def make_documents(tmp_path: Path) -> MakeFolder:
    """`write_documents` by name."""

    def make(name: str, shards: Sequence[Sequence[dict]]) -> Path:
        return write_documents(tmp_path / name, shards)

    return make


@pytest.fixture
def make_tokens(tmp_path: Path) -> MakeFolder:
    """A finished tokens folder that puts these document ids into each split."""

    def make(name: str, train: Sequence[str], val: Sequence[str]) -> Path:
        writer = StageWriter("tokens", NoConfig(), {}, tmp_path / name)
        for split, ids in (("train", train), ("val", val)):
            rows = [{"id": document_id, "tokens": [1, 0]} for document_id in ids]
            writer.write(shard_name(split, 0), rows, tokens_schema(256))
        writer.finish(len(train) + len(val))
        return tmp_path / name

    return make
