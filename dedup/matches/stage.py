"""The stage that looks for the benchmark texts in the training documents, and finds each place.

The paper (section 4) puts the training text's n-grams into a Bloom filter and asks it for the test
sets'. Here it is the other way round: the test sets' n-grams are indexed, they are few, and the
training documents stream past. That needs the corpus at hand; it is exact, and it says where.
"""

import shutil
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from pydantic import Field

from corpus.atomic import atomic_path
from corpus.errors import WebtextError
from corpus.manifest import Manifest
from corpus.runtime import Runtime
from corpus.settings import Section
from corpus.shards import num_rows, shard_name
from corpus.stage import Inputs, StageWriter, data_shards, reject
from dedup.matches.item_index import ItemIndex
from dedup.matches.parts import (
    NgramLength,
    missing_sets,
    read_parts,
    write_indexes,
    write_parts,
)
from dedup.matches.scan import ScanTask, scan_shard, write_matches
from dedup.matches.shards import COUNTS, PARTS
from dedup.matches.split_ids import write_split_ids
from dedup.overlap.summary import row_key

STAGE: Final = "matches"
LIBRARIES: Final = ("webtext", "numba", "xxhash")

# Dot-names are no shards: they are left out of the manifest and removed after it.
_TEMPORARY: Final = ".work"


class MatchesConfig(Section):
    """What counts as found, and as boilerplate."""

    n: NgramLength = 8
    """Words per n-gram (paper section 4), or "auto": by text set, the 5th percentile of its
    examples' lengths in words, at least 8 and at most 13 (GPT-3, appendix C)."""
    boilerplate_documents: int = Field(default=10, ge=1)
    """An n-gram in more training documents than this is boilerplate (GPT-3, appendix C)."""
    held_out_documents: int = Field(default=5000, ge=0)
    """Held-out documents to look for, at most: the first ones. The index takes about 60 bytes of
    memory per word of these and of the benchmarks: 200 MB for 5,000."""


def run(config: MatchesConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Find every place of the training split where a benchmark text's n-grams are.

    Args:
        config: The length of an n-gram, and what is boilerplate.
        inputs: `documents`, the unique documents; `tokens`, whose shards say which split a
            document belongs to. Optional: `benchmarks`, a folder of published files, of which a
            missing set is named in the figure `not_available`; `texts-0`, `texts-1`, ...: files of
            a user's own.
        output: Receives `matches-*.arrow`, a row per span, shard by shard of the documents;
            `counts-00000.arrow`, a row per example and part; `examples-00000.arrow`, the texts of
            the examples that have a match. Parts shorter than an n-gram are rejected as
            `too_short`.
        runtime: Worker processes and progress.

    Raises:
        WebtextError: documents and tokens do not belong together, or a file is damaged.
    """
    writer = StageWriter(STAGE, config, inputs, output)
    work = output / _TEMPORARY
    num_train_ids = write_split_ids(inputs["tokens"], "train", work / "train-ids.npy")
    num_val = write_split_ids(inputs["tokens"], "val", work / "val-ids.npy")
    parts_path = work / "parts.arrow"
    if not parts_path.is_file():
        write_parts(inputs, work / "val-ids.npy", config.held_out_documents, parts_path)
    parts = read_parts(parts_path)
    indexes = write_indexes(parts, config.n, work)

    tasks = [
        _task(path, output, parts_path, indexes)
        for path in data_shards(inputs["documents"], "documents-")
    ]
    runtime.progress.start(2 * sum(task.num_rows for task in tasks), "document passes")
    _over_shards(scan_shard, tasks, runtime, "scanned")
    num_train = sum(int(np.load(task.counts)["num_train"][0]) for task in tasks)
    _check_found(num_train, num_train_ids)
    tables = [
        _count(parts, n, folder, tasks, config.boilerplate_documents)
        for n, folder in indexes.items()
    ]
    _over_shards(write_matches, tasks, runtime, "matches written")

    rows = sorted((row for table in tables for row in table), key=lambda row: row["row"])
    # The rejects first: the data shard's presence says that both are there.
    too_short = (row for row in rows if not row["num_ngrams"])
    writer.write_rejects(0, (reject(row_key(row), "too_short") for row in too_short))
    measured = [row for row in rows if row["num_ngrams"]]
    writer.write(shard_name("counts", 0), measured, COUNTS)
    writer.write(shard_name("examples", 0), _found_examples(parts, rows), PARTS)
    missing = missing_sets(inputs, parts)
    manifest = writer.finish(
        len(rows),
        num_out=len(measured),
        libraries=LIBRARIES,
        figures={
            "num_train_documents": num_train,
            "num_matches": sum(num_rows(task.matches) for task in tasks),
            "num_held_out_left_out": max(0, num_val - config.held_out_documents),
            "not_available": ", ".join(missing),
            **_lengths(indexes, tables),
            **_figures(rows),
        },
    )
    shutil.rmtree(work)
    return manifest


def _task(documents: Path, output: Path, parts: Path, indexes: dict[int, Path]) -> ScanTask:
    number = int(documents.stem.rpartition("-")[2])
    work = output / _TEMPORARY
    return ScanTask(
        documents=documents,
        train_ids=work / "train-ids.npy",
        parts=parts,
        indexes=indexes,
        runs=work / shard_name("runs", number),
        counts=work / shard_name("counts", number, "npz"),
        matches=output / shard_name("matches", number),
        num_rows=num_rows(documents),
    )


def _over_shards(
    function: Callable[[ScanTask], int], tasks: list[ScanTask], runtime: Runtime, note: str
) -> None:
    for count in runtime.runner.map(function, tasks, runtime.workers):
        runtime.progress.advance(count, note)


def _check_found(num_found: int, num_ids: int) -> None:
    if num_found != num_ids:
        raise WebtextError(
            f"the tokens name {num_ids} documents of the train split, "
            f"the documents hold {num_found} of them",
            hint="Give the tokens that were made from these documents.",
        )


def _count(parts: pa.Table, n: int, folder: Path, tasks: list[ScanTask], limit: int) -> list[dict]:
    """Count each text's n-grams that were found, and keep for the workers what is boilerplate."""
    index = ItemIndex.load(folder)
    num_documents = np.zeros(len(index.entries), np.int64)
    for task in tasks:
        num_documents += np.load(task.counts)[str(n)]
    boilerplate = num_documents > limit
    with atomic_path(folder / "boilerplate.npy") as temporary, temporary.open("wb") as file:
        np.save(file, boilerplate)
    return [
        {
            **{name: parts.column(name)[int(row)].as_py() for name in PARTS.names[:-1]},
            "row": int(row),
            "num_words": num_words,
            "num_ngrams": max(0, num_words - n + 1),
            "num_found": num_found,
            "num_boilerplate": num_boilerplate,
        }
        for row, num_words, num_found, num_boilerplate in zip(
            index.rows.tolist(),
            np.diff(index.text_starts).tolist(),
            _per_text(index, num_documents > 0),
            _per_text(index, boilerplate),
            strict=True,
        )
    ]


def _per_text(index: ItemIndex, marked: np.ndarray) -> list[int]:
    """How many of each text's n-grams have a marked entry."""
    # No n-gram begins at a text's last words: there, -1 is a mark of its own.
    hits = np.append(marked, False)[index.entry_at]
    sums = np.concatenate([[0], np.cumsum(hits)])
    return np.diff(sums[index.text_starts]).tolist()


def _lengths(indexes: dict[int, Path], tables: list[list[dict]]) -> dict[str, int | float | str]:
    """Per text set: words per n-gram."""
    return {
        f"{row['text_set']}_n": n for n, table in zip(indexes, tables, strict=True) for row in table
    }


def _found_examples(parts: pa.Table, rows: list[dict]) -> Iterator[dict]:
    """All parts of those examples of which any part was found."""
    for _, example in groupby(rows, key=lambda row: (row["text_set"], row["example"])):
        numbers = [(row["row"], row["num_found"]) for row in example]
        if any(num_found for _, num_found in numbers):
            for row, _ in numbers:
                yield {name: parts.column(name)[row].as_py() for name in PARTS.names}


def _figures(rows: list[dict]) -> dict[str, int | float | str]:
    """Per text set: how many of its n-grams were found, how many of those are boilerplate."""
    sums: dict[str, list[int]] = {}
    for row in rows:
        totals = sums.setdefault(row["text_set"], [0, 0, 0])
        for i, name in enumerate(("num_ngrams", "num_found", "num_boilerplate")):
            totals[i] += row[name]
    figures: dict[str, int | float | str] = {}
    for slug, (num_ngrams, num_found, num_boilerplate) in sums.items():
        if num_ngrams:
            figures[f"{slug}_percent_found"] = round(100 * num_found / num_ngrams, 4)
            figures[f"{slug}_percent_boilerplate"] = round(100 * num_boilerplate / num_ngrams, 4)
    return figures
