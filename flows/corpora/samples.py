"""Random documents of a corpus, and random things that its stages dropped: to be read by a person.

The corpus is never in memory: a pass over one or two small columns draws a number for each row and
keeps the places of the lowest, then the rows at those places are read.
"""

import heapq
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from corpus.errors import UsageError
from corpus.manifest import read_manifest
from corpus.shards import open_shard
from corpus.stage import data_shards
from flows.commands.terminal_text import printable
from flows.corpora.summary import documents_of, lineage
from flows.corpora.tables import describe_corpus

NUM_SAMPLES = 5
"""How many are shown if nobody says."""
_EXCERPT_CHARS = 400
_MAX_DETAIL_CHARS = 300


@dataclass(frozen=True)
class Sample:
    """A random document."""

    title: str
    url: str
    domain: str
    language: str
    """Empty: the corpus does not record it."""
    excerpt: str
    """The beginning of its text."""


@dataclass(frozen=True)
class Rejected:
    """A random thing that a stage dropped."""

    key: str
    """A URL, a document id, or file:line."""
    detail: str


@dataclass(frozen=True)
class RejectedGroup:
    """What a stage dropped for one reason."""

    stage: str
    reason: str
    count: int
    """All of it."""
    sample: list[Rejected]


class _Place(NamedTuple):
    """A row of some shards, and its lot."""

    lot: float
    shard: int
    batch: int
    row: int


def sample_documents(
    tokens: Path, num: int = NUM_SAMPLES, seed: int = 0, domain: str | None = None
) -> list[Sample]:
    """Random documents of a corpus, in random order, the same for the same seed.

    Args:
        tokens: A finished tokens folder.
        num: How many, if there are as many.
        seed: Other seeds give other documents.
        domain: Of this registrable domain only.
    """
    shards = data_shards(documents_of(tokens), "documents-")
    draw = _Draw(num, seed)
    for batch in _batches(shards, ["domain"]):
        domains = batch.columns["domain"]
        wanted = np.ones(len(domains), bool) if domain is None else _is(domains, domain)
        draw.add("", batch, wanted)
    return [_sample(row) for row in _read(shards, draw.places.get("", []))]


def sample_rejects(
    folder: Path,
    num: int = NUM_SAMPLES,
    seed: int = 0,
    *,
    reason: str | None = None,
    domain: str | None = None,
) -> list[RejectedGroup]:
    """Random things that a stage dropped, by reason, most frequent reason first.

    Args:
        folder: The stage's folder, finished.
        num: How many of each reason.
        seed: Other seeds give others.
        reason: This reason only; None: all of them.
        domain: Only what has an address under this domain for its key.
    """
    manifest = read_manifest(folder)
    shards = [folder / shard.name for shard in manifest.shards if shard.kind == "rejects"]
    counts = {
        name: count for name, count in manifest.counts.rejects.items() if reason in {None, name}
    }
    draw = _Draw(num, seed)
    for batch in _batches(shards, ["reason", *(["key"] if domain else [])]):
        under = _is_under(batch.columns["key"], domain) if domain else True
        for value in batch.columns["reason"].unique().to_pylist():
            if value in counts:
                draw.add(value, batch, _is(batch.columns["reason"], value) & under)
    return [
        RejectedGroup(manifest.stage, name, count, _rejected(shards, draw.places.get(name, [])))
        for name, count in counts.items()
    ]


def show(
    tokens: Path, rejects: str | None, domain: str | None, num: int | None, seed: int
) -> RenderableType:
    """What `webtext corpus show` prints: samples where an option asks for them.

    Raises:
        UsageError: there is no such reject reason, or no document of that domain.
    """
    if rejects is not None:
        return _rejects_text(tokens, rejects, num or NUM_SAMPLES, seed, domain)
    if domain is not None or num is not None:
        return _documents_text(tokens, num or NUM_SAMPLES, seed, domain)
    return describe_corpus(tokens)


def _documents_text(tokens: Path, num: int, seed: int, domain: str | None) -> RenderableType:
    samples = sample_documents(tokens, num, seed, domain)
    if not samples:
        raise UsageError(
            f"the corpus has no document of {domain or 'any domain'}",
            hint="Name a registrable domain, such as bbc.co.uk, without www and without a path.",
        )
    parts: list[RenderableType] = []
    for sample in samples:
        language = f", {sample.language}" if sample.language else ""
        parts += [
            Text(printable(sample.title) or "(no title)", style="bold"),
            Text(printable(f"{sample.url}  ({sample.domain}{language})"), style="blue"),
            Padding(Text(printable(sample.excerpt), no_wrap=False, overflow="fold"), (0, 0, 1, 4)),
        ]
    return Group(*parts)


def _rejects_text(
    tokens: Path, reason: str, num: int, seed: int, domain: str | None
) -> RenderableType:
    folders = lineage(tokens)
    rejects = {stage: read_manifest(path).counts.rejects for stage, path in folders.items()}
    if not any(reason in counts for counts in rejects.values()):
        known = "; ".join(
            f"{stage}: {', '.join(counts)}" for stage, counts in rejects.items() if counts
        )
        raise UsageError(
            f"nothing was dropped as {reason}", hint=f"Reasons of this corpus: {known or 'none'}."
        )
    parts: list[RenderableType] = []
    for stage in (stage for stage, counts in rejects.items() if reason in counts):
        for group in sample_rejects(folders[stage], num, seed, reason=reason, domain=domain):
            parts.append(Text(f"{stage}: {reason} {group.count:,}", style="bold"))
            parts += [_rejected_text(each) for each in group.sample]
    return Group(*parts)


def _rejected_text(rejected: Rejected) -> Text:
    text = Text(f"  {printable(rejected.key)}", style="blue")
    if rejected.detail:
        text.append(f"\n  {printable(rejected.detail)}", style="default")
    return text


class _Batch(NamedTuple):
    shard: int
    number: int
    columns: dict[str, pa.Array]


class _Draw:
    """Draws a lot for every row of shards and keeps the places of the lowest of each group."""

    def __init__(self, num: int, seed: int) -> None:
        self.places: dict[str, list[_Place]] = {}
        self._num = num
        self._seed = seed

    def add(self, group: str, batch: _Batch, wanted: np.ndarray) -> None:
        """Rows of a batch that are of a group, as a mask."""
        # The lots of a batch depend on its place alone, whatever else is drawn from.
        lots = np.random.default_rng((self._seed, batch.shard, batch.number)).random(len(wanted))
        rows = np.flatnonzero(wanted)
        lowest = rows[np.argsort(lots[rows], kind="stable")[: self._num]]
        drawn = [_Place(float(lots[row]), batch.shard, batch.number, int(row)) for row in lowest]
        self.places[group] = heapq.nsmallest(self._num, [*self.places.get(group, []), *drawn])


def _batches(shards: Sequence[Path], columns: list[str]) -> Iterator[_Batch]:
    for number, path in enumerate(shards):
        reader = open_shard(path, columns)
        for index in range(reader.num_record_batches):
            batch = reader.get_batch(index)
            yield _Batch(number, index, {name: batch.column(name) for name in columns})


def _is(values: pa.Array, value: str) -> np.ndarray:
    return pc.equal(values, value).fill_null(False).to_numpy(zero_copy_only=False)  # pyright: ignore


def _is_under(keys: pa.Array, domain: str) -> np.ndarray:
    under = re.compile(rf"https?://([^/?#]*\.)?{re.escape(domain)}(?=[:/?#]|$)", re.IGNORECASE)
    return np.array([bool(under.match(key)) for key in keys.to_pylist()], dtype=bool)


def _read(shards: Sequence[Path], places: list[_Place]) -> list[dict]:
    batch_of = itemgetter(1, 2)
    rows: dict[_Place, dict] = {}
    for (shard, number), group in groupby(sorted(places, key=batch_of), key=batch_of):
        batch = open_shard(shards[shard]).get_batch(number)
        rows |= {place: batch.slice(place.row, 1).to_pylist()[0] for place in group}
    return [rows[place] for place in places]


def _sample(row: dict) -> Sample:
    text = row["text"]
    excerpt = text[:_EXCERPT_CHARS].rstrip()
    return Sample(
        title=row["title"] or "",
        url=row["url"],
        domain=row["domain"],
        language=row.get("language") or "",
        excerpt=f"{excerpt} ..." if len(text) > _EXCERPT_CHARS else excerpt,
    )


def _rejected(shards: Sequence[Path], places: list[_Place]) -> list[Rejected]:
    return [
        Rejected(row["key"], row["detail"][:_MAX_DETAIL_CHARS]) for row in _read(shards, places)
    ]
