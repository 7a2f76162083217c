"""Small corpora with a held-out split, their n-gram index and overlap."""

import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from corpus.runtime import Runtime
from dedup.overlap import index, stage


@pytest.fixture
def corpus_of(make_documents, make_tokens, new_document):
    """Documents and tokens folders in which every tenth text is held out."""

    def make(
        texts: list[str], num_shards: int = 1, shuffled: random.Random | None = None
    ) -> dict[str, Path]:
        documents = [new_document(f"http://a/{i}", text) for i, text in enumerate(texts)]
        ids = [row["id"] for row in documents]
        if shuffled:
            shuffled.shuffle(documents)
        shards = [documents[i::num_shards] for i in range(num_shards)]
        train = [key for i, key in enumerate(ids) if i % 10]
        name = hashlib.sha256(repr((ids, num_shards, shuffled)).encode()).hexdigest()[:8]
        return {
            "documents": make_documents(f"documents-{name}", shards),
            "tokens": make_tokens(f"tokens-{name}", train, ids[::10]),
        }

    return make


@pytest.fixture
def index_of(corpus_of, tmp_path) -> Callable[..., Path]:
    """The finished "ngrams" folder of such a corpus."""

    def make(texts: list[str], n: int = 8) -> Path:
        output = tmp_path / "ngrams"
        index.run(index.NgramsConfig(n=n), corpus_of(texts), output, Runtime())
        return output

    return make


@pytest.fixture
def overlap_of(tmp_path) -> Callable[..., Path]:
    """The finished "overlap" folder of an index and further inputs."""

    def make(ngrams: Path, **inputs: Path) -> Path:
        roles = {role.replace("_", "-"): path for role, path in inputs.items()}
        output = tmp_path / "overlap"
        stage.run(stage.OverlapConfig(), {"ngrams": ngrams, **roles}, output, Runtime())
        return output

    return make
