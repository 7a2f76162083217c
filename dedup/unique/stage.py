"""The stage documents -> unique documents: exact and near-duplicates out, oldest link stays.

Three passes: worker processes fingerprint the shards; one process judges all documents in line,
oldest link first; worker processes write the shards anew without those dropped. The survivors are
the same for any number of workers and any distribution of the documents over shards.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import Field

from corpus.errors import UsageError
from corpus.manifest import Manifest, read_manifest
from corpus.runtime import Runtime
from corpus.schema import DOCUMENTS
from corpus.settings import Section
from corpus.shards import read_rows, shard_name
from corpus.stage import Inputs, StageWriter, data_shards, reject
from dedup.unique.fingerprints import FingerprintTask, write_fingerprints
from dedup.unique.line import Line
from dedup.unique.minhash import NUM_BANDS, rows_per_band
from dedup.unique.verdicts import (
    count_by_file,
    decide,
    read_figures,
    read_verdicts,
    write_verdicts,
)
from dedup.words import SCHEME

STAGE: Final = "unique"
LIBRARIES: Final = ("webtext", "numpy", "xxhash")
KEPT: Final = "kept-"
"""Roles of the inputs that are corpora kept from before: `kept-0`, `kept-1`, ..."""

# Dot-names are no shards: they are left out of the manifest and removed after it.
_VERDICTS: Final = ".verdicts.arrow"
_CANDIDATES: Final = ".candidates.arrow"


class DedupConfig(Section):
    """Which documents count as the same."""

    OPERATIONAL = frozenset({"kept"})

    n: int = Field(default=5, ge=1)
    """Words per shingle (5: FineWeb, text-dedup). Documents with fewer words are compared as a
    whole only."""
    near_threshold: float = Field(default=0.8, ge=0.5, le=1)
    """Jaccard similarity of two documents' sets of shingles from which on the later one is dropped
    as a near-duplicate (0.8: NeMo Curator; measured in docs/dedup.md)."""
    kept: tuple[Path, ...] = ()
    """Folders of unique documents of earlier corpora: what they hold is not taken in again."""


@dataclass(frozen=True)
class _Unit:
    """One shard on its way through the passes."""

    role: str
    """Of the input that it is of."""
    documents: Path
    num_rows: int
    output: Path
    corpus: str = ""
    """What to say of a survivor in it: " in NAME@HASH12" if it is of a kept corpus."""

    @property
    def index(self) -> int:
        return int(self.documents.stem.rpartition("-")[2])

    @property
    def name(self) -> str:
        return shard_name("documents", self.index)

    @property
    def fingerprints(self) -> Path:
        return self.output / f".{shard_name(f'fingerprints-{self.role}', self.index)}"


@dataclass(frozen=True)
class _WriteTask:
    """Plain data for a worker process of the third pass."""

    unit: _Unit
    place: int
    """Of its file in the line."""
    config: DedupConfig
    inputs: dict[str, Path]
    corpora: list[str]
    """By file of the line."""


def run(config: DedupConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Drop exact duplicates and near-duplicates.

    Args:
        config: What counts as the same.
        inputs: `documents`, a finished documents folder; and `kept-0`, `kept-1`, ..., finished
            folders of unique documents of earlier corpora, which come first in line and all stay
            where they are.
        output: Receives `documents-*.arrow` with the input's schema and shard numbers, and
            rejects with the reason `exact_duplicate` or `near_duplicate`. Their detail is the
            survivor's id, ` in NAME@HASH12` if it is of a kept corpus, and for a near-duplicate
            the similarity.
        runtime: Worker processes and progress.

    Raises:
        UsageError: a kept folder holds no documents.
        WebtextError: an input is unfinished or damaged, or the disk is full.
    """
    writer = StageWriter(STAGE, config, inputs, output)
    kept = [unit for role in _kept_roles(inputs) for unit in _units(role, inputs[role], output)]
    units = _units("documents", inputs["documents"], output)
    num_documents, num_kept = (sum(u.num_rows for u in some) for some in (units, kept))
    runtime.progress.start(3 * num_documents + 2 * num_kept, "document passes")

    num_rows = rows_per_band(config.near_threshold)
    tasks = [
        FingerprintTask(unit.documents, unit.fingerprints, config.n, num_rows, unit.num_rows)
        for unit in (*kept, *units)
    ]
    for num_done in runtime.runner.map(write_fingerprints, tasks, runtime.workers):
        runtime.progress.advance(num_done, "fingerprints")

    figures = _judge(kept, units, config, output, runtime)

    corpora = [unit.corpus for unit in (*kept, *units)]
    writes = [
        _WriteTask(unit, place, config, dict(inputs), corpora)
        for place, unit in enumerate(units, len(kept))
    ]
    for num_done in runtime.runner.map(_write_survivors, writes, runtime.workers):
        runtime.progress.advance(num_done, "written")

    figures |= {"num_bands": NUM_BANDS, "rows_per_band": num_rows, "word_scheme": SCHEME}
    manifest = writer.finish(num_documents, libraries=LIBRARIES, figures=figures)
    for path in output.glob(".*.arrow"):
        path.unlink()
    return manifest


def _kept_roles(inputs: Inputs) -> list[str]:
    roles = [role for role in inputs if role.startswith(KEPT)]
    return sorted(roles, key=lambda role: int(role.removeprefix(KEPT)))


def _units(role: str, folder: Path, output: Path) -> list[_Unit]:
    manifest = read_manifest(folder)
    rows = {shard.name: shard.rows for shard in manifest.shards}
    shards = data_shards(folder, "documents-")
    corpus = f" in {folder.name}@{manifest.hash[:12]}" if role.startswith(KEPT) else ""
    if corpus and manifest.counts.out and not shards:
        raise UsageError(
            f"{folder} holds no documents to compare with",
            hint="Name folders of the stage unique under [dedup] kept: data/unique/KEY.",
        )
    return [_Unit(role, path, rows[path.name], output, corpus) for path in shards]


def _judge(
    kept: list[_Unit], units: list[_Unit], config: DedupConfig, output: Path, runtime: Runtime
) -> dict[str, int | float | str]:
    """The second pass: judge every document in line, and write down why each was dropped."""
    files = [*kept, *units]
    line = Line([u.fingerprints for u in files], [u.num_rows for u in files], len(kept))
    verdicts = output / _VERDICTS
    if verdicts.is_file():
        runtime.progress.advance(len(line), "judged before")
    else:
        decided = decide(line, config.near_threshold, output / _CANDIDATES, runtime.progress)
        write_verdicts(line, decided, verdicts)
    dropped: Counter[str] = Counter()
    for unit, num_dropped in zip(files, count_by_file(verdicts, len(files)), strict=True):
        if unit.corpus:
            dropped[f"num_dropped_for_{unit.role.replace('-', '_')}"] += num_dropped
    return {**read_figures(verdicts), **dropped}


def _write_survivors(task: _WriteTask) -> int:
    """The third pass: one shard's rejects, then its survivors."""
    unit = task.unit
    writer = StageWriter(STAGE, task.config, task.inputs, unit.output)
    if not writer.is_done(unit.name):
        verdicts = list(read_verdicts(unit.output / _VERDICTS, task.place, task.corpora))
        writer.write_rejects(unit.index, _rejects(unit, verdicts))
        dropped = {row for row, _, _ in verdicts}
        documents = enumerate(read_rows(unit.documents))
        writer.write(unit.name, (row for i, row in documents if i not in dropped), DOCUMENTS)
    return unit.num_rows


def _rejects(unit: _Unit, verdicts: list[tuple[int, str, str]]) -> Iterator[dict[str, str]]:
    because = {row: (reason, detail) for row, reason, detail in verdicts}
    for i, row in enumerate(read_rows(unit.documents, ["id"])):
        if i in because:
            yield reject(row["id"], *because[i])
