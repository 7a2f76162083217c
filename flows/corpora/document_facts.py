"""How a corpus's documents spread: by length, score, day, language and domain."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.settings import Section
from corpus.shards import open_shard
from corpus.stage import data_shards
from dedup.splits import batches
from flows.corpora.facts import count_values
from flows.corpora.most_common import most_common
from flows.corpora.remembered import Remembered, remembered

NUM_DOMAINS: Final = 20
"""That are named."""

_LENGTH_EDGES: Final = np.geomspace(1, 1e8, 161)  # 20 of each decade
_SCORE_EDGES: Final = np.unique(np.geomspace(1, 1e6, 61).round())  # whole numbers
_COLUMNS: Final = ("text", "score", "first_seen", "language")


class Histogram(Section):
    """How many values lie from each edge up to the next."""

    edges: tuple[float, ...]
    """One more than counts; none: there is no value."""
    counts: tuple[int, ...]


class DocumentFacts(Remembered):
    """What a pass over all documents found."""

    num_documents: int
    num_chars: int
    lengths: Histogram
    """In characters."""
    scores: Histogram
    """Karma, of the documents that have one; below 1 counts as 1."""
    days: dict[str, int]
    """Documents by the day on which their link was first posted, ISO 8601, in order."""
    languages: dict[str, int]
    """By ISO 639-1 code, most frequent first; `und`: not told."""
    domains: tuple[tuple[str, int], ...]
    """The registrable domains with the most documents."""
    num_domains: int


def document_facts(documents: Path) -> DocumentFacts:
    """Count a finished folder of documents: one pass over their texts, once.

    Memory: a record batch, and 16 bytes a domain.

    Raises:
        WebtextError: it is not finished, or a shard is damaged or missing.
    """
    return remembered(documents, "documents", DocumentFacts, lambda of: _count(documents, of))


def _count(documents: Path, of: str) -> DocumentFacts:
    shards = data_shards(documents, "documents-")
    lengths, scores = (np.zeros(len(e) - 1, np.int64) for e in (_LENGTH_EDGES, _SCORE_EDGES))
    days: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    num_documents = num_chars = 0
    for batch in _batches(shards):
        chars = _values(pc.utf8_length(batch.column("text")))  # pyright: ignore
        num_documents += batch.num_rows
        num_chars += int(chars.sum())
        lengths += np.histogram(np.maximum(chars, 1), _LENGTH_EDGES)[0]
        if "score" in batch.schema.names:
            scores += np.histogram(np.maximum(_values(batch.column("score")), 1), _SCORE_EDGES)[0]
        if "first_seen" in batch.schema.names:
            dates = pc.cast(batch.column("first_seen").drop_null(), pa.date32())
            count_values(days, dates.cast(pa.string()))
        if "language" in batch.schema.names:
            count_values(languages, batch.column("language"))
    ranking = most_common(lambda: _domains(shards), NUM_DOMAINS)
    named = ((name or "und", count) for name, count in languages.items())
    return DocumentFacts(
        of=of,
        num_documents=num_documents,
        num_chars=num_chars,
        lengths=_histogram(_LENGTH_EDGES, lengths),
        scores=_histogram(_SCORE_EDGES, scores),
        days=dict(sorted(days.items())),
        languages=dict(sorted(named, key=lambda pair: (-pair[1], pair[0]))),
        domains=tuple(ranking.top),
        num_domains=ranking.num_distinct,
    )


def _batches(shards: list[Path]) -> Iterator[pa.RecordBatch]:
    for shard in shards:
        names = open_shard(shard).schema.names  # older corpora lack some
        yield from batches(shard, [name for name in _COLUMNS if name in names])


def _domains(shards: list[Path]) -> Iterator[pa.Array]:
    for shard in shards:
        yield from (batch.column("domain") for batch in batches(shard, ["domain"]))


def _values(column: pa.Array) -> np.ndarray:
    return column.drop_null().to_numpy(zero_copy_only=False)


def _histogram(edges: np.ndarray, counts: np.ndarray) -> Histogram:
    """Without the empty bins at both ends."""
    filled = np.flatnonzero(counts)
    if not len(filled):
        return Histogram(edges=(), counts=())
    first, last = filled[0], filled[-1] + 1
    return Histogram(
        edges=tuple(edges[first : last + 1].tolist()), counts=tuple(counts[first:last].tolist())
    )
