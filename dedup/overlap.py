"""The stage that measures how much of the held-out split and the benchmarks is in the train split.

The paper (section 4) puts the training text's 8-grams into a Bloom filter and asks it for the
test sets'. Here it is the other way round: the test sets' n-grams are indexed, they are few, and
the training documents stream past. That is exact, and memory depends on the test sets only.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import xxhash
from pydantic import Field

from corpus.atomic import atomic_path
from corpus.benchmarks import NotAvailableError
from corpus.errors import WebtextError
from corpus.manifest import Manifest
from corpus.parallel import map_in_processes
from corpus.runtime import Runtime
from corpus.settings import Section
from corpus.shards import num_rows, read_rows, shard_name
from corpus.stage import Inputs, StageWriter, data_shards, reject
from dedup.ngram_index import Example, build_index, find, read_examples, write_examples
from dedup.ngrams import ngram_hashes
from dedup.overlap_summary import OVERLAP, summarise
from dedup.textsets import HELD_OUT, TEXT_SETS

STAGE: Final = "overlap"
LIBRARIES: Final = ("webtext", "xxhash")

# Dot-names are no shards: they are left out of the manifest and removed after it.
_IDS: Final = {"train": ".train-ids.npy", "val": ".val-ids.npy"}
_INDEX: Final = ".index.npy"
_BENCHMARK_EXAMPLES: Final = ".benchmarks.arrow"


class OverlapConfig(Section):
    """What counts as found."""

    n: int = Field(default=8, ge=1)
    """Words per n-gram (paper section 4)."""


@dataclass(frozen=True)
class _Task:
    """One documents shard for a worker process, with its files in the output folder."""

    documents: Path
    index: int
    output: Path
    n: int

    @property
    def examples(self) -> Path:
        return self.output / f".{shard_name('held-out', self.index)}"

    @property
    def hits(self) -> Path:
        return self.output / f".{shard_name('hits', self.index, 'npz')}"


def run(config: OverlapConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Count, for each text of the held-out split and the benchmarks, its n-grams found in train.

    Args:
        config: The length of an n-gram.
        inputs: `documents`, the unique documents; `tokens`, whose shards say which split a
            document belongs to; and, if given, `benchmarks`, a folder of published files. A set
            that it lacks is named in the figure `not_available`.
        output: Receives `overlap-00000.arrow`, a row per text; texts shorter than an n-gram are
            rejected as `too_short`.
        runtime: Worker processes and progress.

    Raises:
        WebtextError: documents and tokens do not belong together, or a file is damaged.
    """
    writer = StageWriter(STAGE, config, inputs, output)
    tasks = [
        _Task(path, i, output, config.n) for i, path in enumerate(data_shards(inputs["documents"]))
    ]
    num_ids = {split: _write_ids(inputs["tokens"], split, output) for split in _IDS}
    runtime.progress.start(2 * sum(num_rows(task.documents) for task in tasks), "document passes")

    num_held_out = _over_shards(_collect_held_out, tasks, runtime, "held-out split")
    _check_found("val", num_held_out, num_ids["val"])
    num_examples, missing = _collect_benchmarks(inputs.get("benchmarks"), output, config.n)
    example_files = [*(task.examples for task in tasks), output / _BENCHMARK_EXAMPLES]
    index = build_index(example_files)
    _save(output / _INDEX, index)

    num_train = _over_shards(_find_in_train, tasks, runtime, "train split")
    _check_found("train", num_train, num_ids["train"])
    found = np.zeros(len(index), dtype=bool)
    for task in tasks:
        found[np.load(task.hits)["positions"]] = True

    too_short = (row for row in _rows(example_files, index, found) if not row["num_ngrams"])
    writer.write_rejects(0, (reject(_key(row), "too_short") for row in too_short))
    measured = (row for row in _rows(example_files, index, found) if row["num_ngrams"])
    writer.write(shard_name("overlap", 0), measured, OVERLAP)
    figures: dict[str, int | float | str] = {
        "num_train_documents": num_train,
        "num_indexed_ngrams": len(index),
        "not_available": ", ".join(missing),
        **_figures(output),
    }
    manifest = writer.finish(num_ids["val"] + num_examples, libraries=LIBRARIES, figures=figures)
    _remove_temporary_files(output, tasks)
    return manifest


def _over_shards(
    function: Callable[[_Task], tuple[int, int]], tasks: list[_Task], runtime: Runtime, note: str
) -> int:
    total = 0
    for num_documents, num_chosen in map_in_processes(function, tasks, runtime.workers):
        runtime.progress.advance(num_documents, note)
        total += num_chosen
    return total


def _collect_held_out(task: _Task) -> tuple[int, int]:
    """Worker: keep the n-grams of one shard's held-out documents; (documents, held-out ones)."""
    if not task.examples.is_file():
        texts = _texts(task, "val")
        write_examples(
            task.examples, (Example(HELD_OUT.name, ngram_hashes(text, task.n)) for text in texts)
        )
    return num_rows(task.documents), num_rows(task.examples)


def _find_in_train(task: _Task) -> tuple[int, int]:
    """Worker: mark the indexed n-grams that one shard's train documents hold."""
    if not task.hits.is_file():
        index = np.load(task.output / _INDEX, mmap_mode="r")
        found = np.zeros(len(index), dtype=bool)
        num_train = 0
        for text in _texts(task, "train"):
            found[find(index, ngram_hashes(text, task.n))] = True
            num_train += 1
        with atomic_path(task.hits) as temporary, temporary.open("wb") as file:
            np.savez(file, positions=np.flatnonzero(found), num_train=num_train)
    return num_rows(task.documents), int(np.load(task.hits)["num_train"])


def _texts(task: _Task, split: str) -> Iterator[str]:
    """The texts of one documents shard that belong to `split`."""
    wanted = np.load(task.output / _IDS[split], mmap_mode="r")
    for row in read_rows(task.documents, ["id", "text"]):
        if len(find(wanted, _id_hashes([row["id"]]))):
            yield row["text"]


def _write_ids(tokens: Path, split: str, output: Path) -> int:
    """Keep the hashed ids of a split, ascending, 8 bytes each; return how many there are."""
    parts = [
        _id_hashes([row["id"] for row in read_rows(path, ["id"])])
        for path in data_shards(tokens, f"{split}-")
    ]
    ids = np.sort(np.concatenate([np.empty(0, np.uint64), *parts]))
    _save(output / _IDS[split], ids)
    return len(ids)


def _id_hashes(ids: list[str]) -> np.ndarray:
    hashes = (xxhash.xxh3_64_intdigest(document_id.encode()) for document_id in ids)
    return np.fromiter(hashes, np.uint64, len(ids))


def _check_found(split: str, num_found: int, num_ids: int) -> None:
    if num_found != num_ids:
        raise WebtextError(
            f"the tokens name {num_ids} documents of the {split} split, "
            f"the documents hold {num_found} of them",
            hint="Give the tokens that were made from these documents.",
        )


def _collect_benchmarks(folder: Path | None, output: Path, n: int) -> tuple[int, list[str]]:
    """Keep the n-grams of the benchmarks; return how many texts and the names of missing sets."""
    missing: list[str] = []

    def examples() -> Iterator[Example]:
        for text_set in TEXT_SETS:
            if text_set.texts is None:
                continue
            if folder is None:
                missing.append(text_set.name)
                continue
            try:
                for text in text_set.texts(folder):
                    yield Example(text_set.name, ngram_hashes(text, n))
            except NotAvailableError:
                missing.append(text_set.name)

    return write_examples(output / _BENCHMARK_EXAMPLES, examples()), missing


def _rows(example_files: list[Path], index: np.ndarray, found: np.ndarray) -> Iterator[dict]:
    """One row per example; an n-gram that a text repeats counts as often as it occurs."""
    numbers: dict[str, int] = {}
    for path in example_files:
        for text_set, ngrams in read_examples(path):
            numbers[text_set] = numbers.get(text_set, -1) + 1
            yield {
                "text_set": text_set,
                "example": numbers[text_set],
                "num_ngrams": len(ngrams),
                "num_found": int(found[find(index, ngrams)].sum()),
            }


def _key(row: dict) -> str:
    return f"{row['text_set']}:{row['example']}"


def _figures(output: Path) -> dict[str, int | float | str]:
    slugs = {text_set.name: text_set.slug for text_set in TEXT_SETS}
    figures: dict[str, int | float | str] = {}
    for row in summarise(output):
        slug = slugs[row.name]
        figures[f"{slug}_num_examples"] = row.num_examples
        figures[f"{slug}_percent_found"] = round(row.percent_found, 4)
        figures[f"{slug}_mean_percent"] = round(row.mean, 4)
        figures[f"{slug}_median_percent"] = round(row.median, 4)
        figures[f"{slug}_percent_examples_any"] = round(row.percent_examples_any, 4)
    return figures


def _save(path: Path, array: np.ndarray) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, array)


def _remove_temporary_files(output: Path, tasks: list[_Task]) -> None:
    files = [output / name for name in (*_IDS.values(), _INDEX, _BENCHMARK_EXAMPLES)]
    for path in (*files, *(path for task in tasks for path in (task.examples, task.hits))):
        path.unlink(missing_ok=True)
