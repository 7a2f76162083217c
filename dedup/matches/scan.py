"""One shard of training documents against the indexes: a worker's work."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from corpus.atomic import atomic_path
from corpus.shards import read_rows, write_shard
from dedup.matches.alignment import Runs, count_documents, find_runs
from dedup.matches.item_index import ItemIndex, look_up
from dedup.matches.parts import read_parts
from dedup.matches.shards import MATCHES
from dedup.matches.spans import same_words, to_characters
from dedup.matches.split_ids import split_documents
from dedup.ngrams import hash_ngrams
from dedup.words import scan_words

_SLICE_BYTES: Final = 16 << 20
"""Text scanned at a time; its words, hashes and look-ups take about ten times as much memory."""

# Where the n-grams of a run lie in the index: what is needed to tell boilerplate later.
_RUNS: Final = pa.schema([*MATCHES, ("n", pa.int64()), ("item_word", pa.int64())])


@dataclass(frozen=True)
class ScanTask:
    """One documents shard, with its files in the output folder."""

    documents: Path
    train_ids: Path
    parts: Path
    indexes: dict[int, Path]
    """Folder of each index, by words per n-gram."""
    runs: Path
    counts: Path
    matches: Path
    num_rows: int


def scan_shard(task: ScanTask) -> int:
    """Find one shard's runs, and count in how many of its documents each n-gram is."""
    if not task.counts.is_file():
        indexes = {n: ItemIndex.load(folder) for n, folder in task.indexes.items()}
        counts = {n: np.zeros(len(index.entries), np.int64) for n, index in indexes.items()}
        num_train = np.zeros(1, np.int64)
        write_shard(task.runs, _runs(task, indexes, counts, num_train), _RUNS)
        arrays = {str(n): each for n, each in counts.items()} | {"num_train": num_train}
        # The counts' presence means that the shard is done.
        with atomic_path(task.counts) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
    return task.num_rows


def write_matches(task: ScanTask) -> int:
    """Turn one shard's runs into matches, now that it is known which n-grams are boilerplate."""
    if not task.matches.is_file():
        indexes = {n: ItemIndex.load(folder) for n, folder in task.indexes.items()}
        boilerplate = {n: np.load(f / "boilerplate.npy") for n, f in task.indexes.items()}

        def rows() -> Iterator[dict]:
            for row in read_rows(task.runs):
                n, first = row.pop("n"), row.pop("item_word")
                entries = indexes[n].entry_at[first : first + row["num_ngrams"]]
                yield row | {"num_boilerplate": int(boilerplate[n][entries].sum())}

        write_shard(task.matches, rows(), MATCHES)
    return task.num_rows


def _runs(
    task: ScanTask,
    indexes: dict[int, ItemIndex],
    counts: dict[int, np.ndarray],
    num_train: np.ndarray,
) -> Iterator[dict]:
    parts = read_parts(task.parts)
    for batch in split_documents(task.documents, task.train_ids):
        num_train += batch.num_rows
        for documents in _slices(batch):
            words = scan_words(documents.column("text"))
            found_runs: dict[int, Runs] = {}
            for n, index in indexes.items():
                ngrams = hash_ngrams(words, n)
                found = look_up(index, ngrams.hashes)
                count_documents(found, ngrams, counts[n])
                found_runs[n] = find_runs(index, words, ngrams, found, n)
            yield from _rows(documents, found_runs, indexes, parts)


def _slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Documents of `_SLICE_BYTES` together, at least one."""
    sizes = np.array([len(text.as_buffer()) for text in batch.column("text")], np.int64)
    slice_of = (np.cumsum(sizes) - sizes) // _SLICE_BYTES
    cuts = np.flatnonzero(np.diff(slice_of)) + 1
    for start, end in zip([0, *cuts], [*cuts, batch.num_rows], strict=True):
        yield batch.slice(start, end - start)


def _rows(
    documents: pa.RecordBatch,
    found_runs: dict[int, Runs],
    indexes: dict[int, ItemIndex],
    parts: pa.Table,
) -> Iterator[dict]:
    """Runs as rows, by document, then by place and text; each verified word for word."""
    hits = sorted({each for runs in found_runs.values() for each in runs.document.tolist()})
    for document in hits:
        row = documents.slice(document, 1)
        text = row.column("text")[0].as_py()
        words = scan_words(row.column("text"), with_spans=True)
        starts, ends = to_characters(text, words.starts), to_characters(text, words.ends)
        key = {
            "document": row.column("id")[0].as_py(),
            "url": row.column("url")[0].as_py(),
            "document_chars": len(text),
        }
        spans = sorted(_spans(document, found_runs, indexes))
        for start, part, n, item_word, num_words in spans:
            index = indexes[n]
            of_document = slice(int(starts[start]), int(ends[start + num_words - 1]))
            item_start = int(index.spans[item_word, 0])
            of_part = slice(item_start, int(index.spans[item_word + num_words - 1, 1]))
            part_row = {name: parts.column(name)[part].as_py() for name in parts.column_names}
            # Two different words may share a 64-bit hash: nothing is told that is not so.
            if same_words(text[of_document], part_row.pop("text")[of_part]):
                yield {
                    **part_row,
                    **key,
                    "start": of_document.start,
                    "end": of_document.stop,
                    "example_start": of_part.start,
                    "example_end": of_part.stop,
                    "num_words": num_words,
                    "num_ngrams": num_words - n + 1,
                    "num_boilerplate": 0,
                    "n": n,
                    "item_word": item_word,
                }


def _spans(
    document: int, found_runs: dict[int, Runs], indexes: dict[int, ItemIndex]
) -> Iterator[tuple[int, int, int, int, int]]:
    """The runs of one document: first word, part's row, n, first word in the index, words."""
    for n, runs in found_runs.items():
        # By document already: its runs are found without looking at the others.
        first, last = np.searchsorted(runs.document, [document, document + 1])
        for i in range(first, last):
            item_word = int(runs.item_start[i])
            part = int(indexes[n].rows[indexes[n].text_at[item_word]])
            yield int(runs.start[i]), part, n, item_word, int(runs.num_words[i])
