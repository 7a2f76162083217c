"""Which documents two corpora have in common: by URL, and where that is the same, by text."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import xxhash

from corpus.manifest import Shard, read_manifest
from dedup.splits import batches


@dataclass(frozen=True)
class Comparison:
    """Hashed URLs (`hash_values`) of documents, uint64, ascending; each URL is in one of the four.

    The pieces into which decontamination cuts a document have its URL, and count as one.
    """

    kept: np.ndarray
    changed: np.ndarray
    """The text is another one."""
    added: np.ndarray
    dropped: np.ndarray


@dataclass(frozen=True)
class _Texts:
    """16 bytes a document in memory."""

    urls: np.ndarray  # hashed, ascending, without repeats
    texts: np.ndarray  # of each URL, hashed


def compare_documents(old: Path, new: Path) -> Comparison:
    """Compare two finished folders of documents.

    A shard that both have is not read for its texts: a version that shares most of its shards with
    the one before it is compared in the time that its URLs take.

    Raises:
        WebtextError: a shard is missing or damaged.
    """
    before, after = _documents_shards(old), _documents_shards(new)
    shared = {shard.sha256 for shard in before} & {shard.sha256 for shard in after}
    old_texts, new_texts = _read(old, before, shared), _read(new, after, shared)
    both, at_old, at_new = np.intersect1d(
        old_texts.urls, new_texts.urls, assume_unique=True, return_indices=True
    )
    is_same = old_texts.texts[at_old] == new_texts.texts[at_new]
    return Comparison(
        kept=both[is_same],
        changed=both[~is_same],
        added=np.setdiff1d(new_texts.urls, both, assume_unique=True),
        dropped=np.setdiff1d(old_texts.urls, both, assume_unique=True),
    )


def hash_values(values: pa.Array) -> np.ndarray:
    """The xxh3 of each string of a column, uint64. Two of 10**9 share one, once in 40 times."""
    hashes = (
        xxhash.xxh3_64_intdigest(v or b"") for v in values.cast(pa.large_binary()).to_pylist()
    )
    return np.fromiter(hashes, np.uint64, len(values))


def _documents_shards(folder: Path) -> list[Shard]:
    shards = read_manifest(folder).shards
    return [s for s in shards if s.kind == "data" and s.name.startswith("documents-")]


def _read(folder: Path, shards: Collection[Shard], shared: Collection[str]) -> _Texts:
    urls, texts = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
    for shard in shards:
        is_shared = shard.sha256 in shared
        for batch in batches(folder / shard.name, ["url"] if is_shared else ["url", "text"]):
            urls.append(hash_values(batch.column("url")))
            none = np.zeros(batch.num_rows, np.uint64)
            texts.append(none if is_shared else hash_values(batch.column("text")))
    return _by_url(np.concatenate(urls), np.concatenate(texts))


def _by_url(urls: np.ndarray, texts: np.ndarray) -> _Texts:
    order = np.argsort(urls, kind="stable")
    distinct, starts = np.unique(urls[order], return_index=True)
    if not len(distinct):
        return _Texts(distinct, texts)
    # The sum, modulo 2**64, says whether the pieces are the same ones, in whatever order.
    return _Texts(distinct, np.add.reduceat(texts[order], starts))
