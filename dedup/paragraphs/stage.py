"""The stage that takes out paragraphs which many documents share: notices, menus, signatures.

Three passes: worker processes note the hash of each document's paragraphs; one process counts those
that occur more than once, and finds out who is first in line with each; worker processes write the
documents without them. The first in line, by the oldest link and then the URL, keeps the paragraph:
a text that others quote stays in the corpus once.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from pydantic import Field

from corpus.atomic import atomic_path
from corpus.manifest import Manifest
from corpus.runtime import Runtime
from corpus.schema import DOCUMENTS
from corpus.settings import Section
from corpus.shards import num_rows, open_shard, read_rows, shard_name
from corpus.stage import Inputs, StageWriter, data_shards, reject
from dedup.paragraphs.lines import scan_lines
from dedup.repeated import seen_twice
from dedup.splits import find
from dedup.words import SCHEME

STAGE: Final = "trimmed"
LIBRARIES: Final = ("webtext", "xxhash")

ONLY_BOILERPLATE: Final = "only_boilerplate"
"""Reject reason of a document of which nothing is left."""

REMOVED: Final = pa.schema(
    [
        ("id", pa.string()),
        ("url", pa.string()),
        ("paragraphs", pa.list_(pa.string())),  # those taken out, in their order
    ]
)


class ParagraphsConfig(Section):
    """Which paragraphs are boilerplate."""

    max_documents: int | None = Field(default=None, ge=1)
    """A paragraph in more documents than this goes from all but the first in line; unset: the
    stage is left out."""
    min_words: int = Field(default=8, ge=1)
    """Lines of fewer words are never boilerplate: headings, verse, items of lists."""


@dataclass(frozen=True)
class _Task:
    """One documents shard for a worker process, with its files in the output folder."""

    documents: Path
    number: int
    output: Path
    config: ParagraphsConfig
    inputs: dict[str, Path]

    # Dot-names are no shards: they are left out of the manifest and removed after it.
    @property
    def hashes(self) -> Path:
        return self.output / f".{shard_name('paragraphs', self.number, 'npz')}"


def run(config: ParagraphsConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Write the documents without the paragraphs that more than `max_documents` of them share.

    Args:
        config: Which paragraphs those are.
        inputs: `documents`, finished documents, unique ones best: copies make boilerplate of all.
        output: Receives `documents-*.arrow` with the input's schema and shard numbers, what was
            taken out in `lineage-*.arrow`, and rejects `only_boilerplate`.
        runtime: Worker processes and progress.

    Raises:
        WebtextError: the input is unfinished or damaged, or the disk is full.
    """
    writer = StageWriter(STAGE, config, inputs, output)
    shards = data_shards(inputs["documents"], "documents-")
    tasks = [_task(path, config, inputs, output) for path in shards]
    num_documents = sum(map(num_rows, shards))
    runtime.progress.start(2 * num_documents, "document passes")
    for num_done in runtime.runner.map(_write_hashes, tasks, runtime.workers):
        runtime.progress.advance(num_done, "paragraphs noted")

    boilerplate = _boilerplate(tasks, config.max_documents)
    keepers = _keepers(tasks, boilerplate)
    writes = [(task, boilerplate, keepers) for task in tasks]
    for num_done in runtime.runner.map(_write_documents, writes, runtime.workers):
        runtime.progress.advance(num_done, "written")

    removed = [
        len(row["paragraphs"]) for task in tasks for row in read_rows(output / _lineage(task))
    ]
    manifest = writer.finish(
        num_documents,
        libraries=LIBRARIES,
        figures={
            "num_boilerplate_paragraphs": len(boilerplate),
            "num_removed_paragraphs": sum(removed),
            "num_trimmed_documents": len(removed),
            "word_scheme": SCHEME,
        },
    )
    for task in tasks:
        task.hashes.unlink()
    return manifest


def _task(path: Path, config: ParagraphsConfig, inputs: Inputs, output: Path) -> _Task:
    return _Task(path, int(path.stem.rpartition("-")[2]), output, config, dict(inputs))


def _write_hashes(task: _Task) -> int:
    """Note the distinct paragraphs of each document: hashes, and rows, uint64."""
    if not task.hashes.is_file():
        pairs = [np.empty((2, 0), np.uint64)]
        reader = open_shard(task.documents)
        start = 0
        for index in range(reader.num_record_batches):
            texts = reader.get_batch(index).column("text")
            lines = scan_lines(texts, task.config.min_words)
            rows = (lines.texts + start).astype(np.uint64)
            pairs.append(np.unique(np.stack([rows, lines.hashes]), axis=1))
            start += len(texts)
        rows, hashes = np.concatenate(pairs, axis=1)
        with atomic_path(task.hashes) as temporary, temporary.open("wb") as file:
            np.savez(file, rows=rows, hashes=hashes)
    return num_rows(task.documents)


def _boilerplate(tasks: list[_Task], max_documents: int | None) -> np.ndarray:
    """The paragraphs of more than `max_documents` documents: hashes, uint64, ascending."""
    if max_documents is None:
        return np.empty(0, np.uint64)
    num_values = sum(len(_hashes(task)) for task in tasks)
    suspects = seen_twice(map(_hashes, tasks), num_values)
    counts = np.zeros(len(suspects), np.int64)
    for task in tasks:
        places = find(suspects, _hashes(task))
        counts += np.bincount(places[places >= 0], minlength=len(suspects))
    return suspects[counts > max_documents]


def _keepers(tasks: list[_Task], boilerplate: np.ndarray) -> list[str]:
    """For each boilerplate paragraph the id of the document that is first in line with it."""
    first: dict[int, tuple[bool, float, str, str]] = {}
    for task in tasks:
        noted = np.load(task.hashes)
        places = find(boilerplate, noted["hashes"])
        is_found = places >= 0
        rows, places = noted["rows"][is_found].tolist(), places[is_found].tolist()
        wanted = set(rows)
        documents = enumerate(read_rows(task.documents, ["id", "url", "first_seen"]))
        orders = {i: _line_order(document) for i, document in documents if i in wanted}
        for row, place in zip(rows, places, strict=True):
            first[place] = min(first.get(place, orders[row]), orders[row])
    return [first[place][-1] for place in range(len(boilerplate))]


def _line_order(row: dict) -> tuple[bool, float, str, str]:
    """Oldest link first, unknown age last, then the URL."""
    seen = row["first_seen"]
    return seen is None, 0.0 if seen is None else seen.timestamp(), row["url"], row["id"]


def _hashes(task: _Task) -> np.ndarray:
    return np.load(task.hashes)["hashes"]


def _lineage(task: _Task) -> str:
    return shard_name("lineage", task.number)


def _write_documents(job: tuple[_Task, np.ndarray, list[str]]) -> int:
    """One shard's rejects, what was taken out, and its documents, in this order."""
    task, boilerplate, keepers = job
    writer = StageWriter(STAGE, task.config, task.inputs, task.output)
    name = shard_name("documents", task.number)
    if not writer.is_done(name):
        documents, removed, rejects = [], [], []
        noted = np.load(task.hashes)
        touched = set(noted["rows"][find(boilerplate, noted["hashes"]) >= 0].tolist())
        for i, row in enumerate(read_rows(task.documents)):
            kept, gone = row["text"], []
            if i in touched:
                kept, gone = _trim(row, task.config, boilerplate, keepers)
            if gone:
                removed.append({"id": row["id"], "url": row["url"], "paragraphs": gone})
            if gone and not kept.strip():
                rejects.append(reject(row["id"], ONLY_BOILERPLATE, f"{len(gone)} paragraphs"))
            else:
                documents.append({**row, "text": kept})
        writer.write_rejects(task.number, rejects)
        writer.write(_lineage(task), removed, REMOVED)
        writer.write(name, documents, DOCUMENTS)
    return num_rows(task.documents)


def _trim(
    row: dict, config: ParagraphsConfig, boilerplate: np.ndarray, keepers: list[str]
) -> tuple[str, list[str]]:
    """The text without what others were first with, and what that was."""
    lines = row["text"].split("\n")
    found = scan_lines(pa.array([row["text"]], pa.large_string()), config.min_words)
    places = find(boilerplate, found.hashes)
    gone = {
        line
        for line, place in zip(found.places.tolist(), places.tolist(), strict=True)
        if place >= 0 and keepers[place] != row["id"]
    }
    kept = [line for i, line in enumerate(lines) if i not in gone]
    return "\n".join(kept).strip() if gone else row["text"], [lines[i] for i in sorted(gone)]
