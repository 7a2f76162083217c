"""The documents with the most copies, and some of what was dropped for them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from corpus.manifest import read_manifest
from corpus.settings import Section
from corpus.stage import data_shards
from dedup.splits import batches
from dedup.unique.verdicts import EXACT_DUPLICATE, NEAR_DUPLICATE
from flows.corpora.most_common import most_common
from flows.corpora.remembered import Remembered, remembered

NUM_CLUSTERS: Final = 10
_NUM_COPIES: Final = 5  # that are named, of each cluster


class Copy(Section):
    """A document that was dropped."""

    url: str
    detail: str
    """`exact`, or the Jaccard similarity to the survivor."""


class Cluster(Section):
    """A document and its copies."""

    survivor: str
    """Its id, and in which corpus it is, if an earlier one."""
    url: str
    """Of the survivor; empty: it is in an earlier corpus."""
    title: str
    num_copies: int
    copies: tuple[Copy, ...]
    """Some of them."""


class Clusters(Remembered):
    """What the stage "unique" found to be the same."""

    num_clusters: int
    largest: tuple[Cluster, ...]


def largest_clusters(unique: Path) -> Clusters:
    """The clusters of a finished folder of unique documents that lost most copies.

    Raises:
        WebtextError: it is not finished, or a shard is damaged or missing.
    """
    return remembered(unique, "clusters", Clusters, lambda of: _find(unique, of))


def _find(unique: Path, of: str) -> Clusters:
    shards = read_manifest(unique).shards
    rejects = [unique / shard.name for shard in shards if shard.kind == "rejects"]
    ranking = most_common(
        lambda: (_survivors(batch) for batch in _duplicates(rejects)), NUM_CLUSTERS
    )
    names = [name for name, _ in ranking.top]
    copies = _copies(rejects, names)
    known = dict(_survivor_pages(unique, names))
    return Clusters(
        of=of,
        num_clusters=ranking.num_distinct,
        largest=tuple(
            Cluster(
                survivor=name,
                url=known.get(name, ("", ""))[0],
                title=known.get(name, ("", ""))[1],
                num_copies=count,
                copies=tuple(copies[name]),
            )
            for name, count in ranking.top
        ),
    )


def _duplicates(rejects: list[Path]) -> Iterator[pa.RecordBatch]:
    kinds = pa.array([EXACT_DUPLICATE, NEAR_DUPLICATE])
    for shard in rejects:
        for batch in batches(shard, ["key", "reason", "detail"]):
            yield batch.filter(pc.is_in(batch.column("reason"), kinds))  # pyright: ignore


def _survivors(batch: pa.RecordBatch) -> pa.Array:
    # "ID", "ID 0.912", "ID in CORPUS 0.912": all but the similarity.
    pattern = r" [01]\.\d+$"
    return pc.replace_substring_regex(batch.column("detail"), pattern, "")  # pyright: ignore


def _copies(rejects: list[Path], names: list[str]) -> dict[str, list[Copy]]:
    copies: dict[str, list[Copy]] = {name: [] for name in names}
    for batch in _duplicates(rejects):
        survivors = _survivors(batch)
        chosen = pc.is_in(survivors, pa.array(names, pa.string()))  # pyright: ignore
        rows = batch.filter(chosen).to_pylist()
        for name, row in zip(survivors.filter(chosen).to_pylist(), rows, strict=True):
            if len(copies[name]) < _NUM_COPIES:
                similarity = row["detail"][len(name) :].strip()
                copies[name].append(Copy(url=row["key"], detail=similarity or "exact"))
    return copies


def _survivor_pages(unique: Path, names: list[str]) -> Iterator[tuple[str, tuple[str, str]]]:
    wanted = pa.array(names, pa.string())
    for shard in data_shards(unique, "documents-"):
        for batch in batches(shard, ["id", "url", "title"]):
            for row in batch.filter(pc.is_in(batch.column("id"), wanted)).to_pylist():  # pyright: ignore
                yield row["id"], (row["url"], row["title"] or "")
