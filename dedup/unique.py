"""The stage documents -> unique documents: exact and near-duplicates out, oldest link stays.

Three passes: worker processes fingerprint the shards; one process judges all documents in line,
oldest link first; worker processes write the shards anew without those dropped. The survivors are
the same for any number of workers and any distribution of the documents over shards.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import Field

from corpus.atomic import atomic_path
from corpus.manifest import Manifest, Shard, read_manifest
from corpus.parallel import map_in_processes
from corpus.runtime import Runtime
from corpus.schema import DOCUMENTS
from corpus.settings import Section
from corpus.shards import read_rows, shard_name
from corpus.stage import Inputs, StageWriter, reject
from dedup.fingerprints import (
    Fingerprint,
    FingerprintTask,
    count_ngrams,
    line_order,
    read_fingerprints,
    text_hash_prefixes,
    write_fingerprints,
)
from dedup.seen import EXACT_DUPLICATE, NEAR_DUPLICATE, SeenTexts, filter_capacity, repeated_values

STAGE: Final = "unique"
LIBRARIES: Final = ("webtext", "pybloom-live", "xxhash")

_REASONS: Final = ("", EXACT_DUPLICATE, NEAR_DUPLICATE)
# One per document: 17 bytes, so that 8 million decisions take 136 MB.
_DECISION: Final = np.dtype([("reason", np.uint8), ("detail", "S16")])


class DedupConfig(Section):
    """Which documents count as the same."""

    n: int = Field(default=8, ge=1)
    """Words per n-gram (the paper's overlap analysis, section 4, counts 8-grams)."""
    near_threshold: float = Field(default=0.8, gt=0, le=1)
    """Share of a document's sampled n-grams, seen in documents kept before it, from which on it
    is dropped as a near-duplicate (0.8: allenai/bff, DCLM)."""
    error_rate: float = Field(default=1e-3, gt=0, lt=1)
    """False positive rate of the n-gram filter: how far it may lift a document's share."""


@dataclass(frozen=True)
class _Unit:
    """One shard on its way through the three passes, with its files in the output folder."""

    index: int
    num_rows: int
    documents: Path
    output: Path

    @property
    def name(self) -> str:
        return shard_name("documents", self.index)

    # Dot-names are no shards: they are left out of the manifest and removed after it.
    @property
    def fingerprints(self) -> Path:
        return self.output / f".{shard_name('fingerprints', self.index)}"

    @property
    def decisions(self) -> Path:
        return self.output / f".{shard_name('decisions', self.index, 'npy')}"


@dataclass(frozen=True)
class _WriteTask:
    """Plain data for a worker process of the third pass."""

    unit: _Unit
    config: DedupConfig
    inputs: dict[str, Path]


def run(config: DedupConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Drop exact duplicates and near-duplicates.

    Args:
        config: What counts as the same.
        inputs: `documents`, a finished documents folder.
        output: Receives `documents-*.arrow` with the input's schema and shard numbers, and
            rejects with the reason `exact_duplicate` or `near_duplicate`.
        runtime: Worker processes and progress.

    Raises:
        WebtextError: the input is unfinished or damaged, or the disk is full.
    """
    writer = StageWriter(STAGE, config, inputs, output)
    units = _units(inputs["documents"], output)
    num_documents = sum(unit.num_rows for unit in units)
    runtime.progress.start(3 * num_documents, "document passes")

    tasks = [FingerprintTask(u.documents, u.fingerprints, config.n, u.num_rows) for u in units]
    for num_rows in map_in_processes(write_fingerprints, tasks, runtime.workers):
        runtime.progress.advance(num_rows, "fingerprints")

    num_ngrams = sum(count_ngrams(unit.fingerprints) for unit in units)
    if not all(unit.decisions.is_file() for unit in units):
        _decide(units, num_ngrams, config, runtime)
    else:
        runtime.progress.advance(num_documents, "decided before")

    writes = [_WriteTask(unit, config, dict(inputs)) for unit in units]
    for num_rows in map_in_processes(_write_survivors, writes, runtime.workers):
        runtime.progress.advance(num_rows, "written")

    figures: dict[str, int | float | str] = {
        "num_sampled_ngrams": num_ngrams,
        "filter_capacity": filter_capacity(num_ngrams),
    }
    manifest = writer.finish(num_documents, libraries=LIBRARIES, figures=figures)
    for unit in units:
        unit.fingerprints.unlink(missing_ok=True)
        unit.decisions.unlink(missing_ok=True)
    return manifest


def _units(documents: Path, output: Path) -> list[_Unit]:
    shards = [shard for shard in read_manifest(documents).shards if shard.kind == "data"]
    return [_unit(shard, documents, output) for shard in shards]


def _unit(shard: Shard, documents: Path, output: Path) -> _Unit:
    index = int(Path(shard.name).stem.rpartition("-")[2])
    return _Unit(index, shard.rows, documents / shard.name, output)


def _decide(units: list[_Unit], num_ngrams: int, config: DedupConfig, runtime: Runtime) -> None:
    """The second pass: judge every document in line, and write down why each was dropped."""
    prefixes = [text_hash_prefixes(unit.fingerprints) for unit in units]
    repeated = repeated_values(np.concatenate([np.empty(0, np.uint64), *prefixes]))
    del prefixes
    seen = SeenTexts(num_ngrams, config.error_rate, config.near_threshold, repeated)
    decisions = [np.zeros(unit.num_rows, _DECISION) for unit in units]
    # A heap over the sorted shards holds one document per shard, not the corpus.
    for position, document in heapq.merge(
        *(_numbered(position, unit) for position, unit in enumerate(units)),
        key=lambda numbered: line_order(numbered[1]),
    ):
        if verdict := seen.judge(document):
            reason, detail = verdict
            decisions[position][document.row] = (_REASONS.index(reason), detail.encode())
        runtime.progress.advance(1, "judged")
    for unit, decided in zip(units, decisions, strict=True):
        with atomic_path(unit.decisions) as temporary, temporary.open("wb") as file:
            np.save(file, decided)


def _numbered(position: int, unit: _Unit) -> Iterator[tuple[int, Fingerprint]]:
    for fingerprint in read_fingerprints(unit.fingerprints):
        yield position, fingerprint


def _write_survivors(task: _WriteTask) -> int:
    """The third pass: one shard's rejects, then its survivors."""
    unit = task.unit
    writer = StageWriter(STAGE, task.config, task.inputs, unit.output)
    if not writer.is_done(unit.name):
        decisions = np.load(unit.decisions)
        writer.write_rejects(unit.index, _rejects(unit, decisions))
        documents = zip(read_rows(unit.documents), decisions["reason"], strict=True)
        writer.write(unit.name, (row for row, reason in documents if not reason), DOCUMENTS)
    return unit.num_rows


def _rejects(unit: _Unit, decisions: np.ndarray) -> Iterator[dict[str, str]]:
    documents = zip(read_rows(unit.documents, ["id"]), decisions.tolist(), strict=True)
    for row, (reason, detail) in documents:
        if reason:
            yield reject(row["id"], _REASONS[reason], detail.decode())
