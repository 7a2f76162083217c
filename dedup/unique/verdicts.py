"""Why each dropped document was dropped: decided for all in line at once, read shard by shard."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.ipc

from corpus.atomic import atomic_path
from corpus.runtime import Progress
from corpus.shards import open_shard
from dedup.unique.candidates import Copies, find_candidates, find_copies
from dedup.unique.judge import Judge, Texts
from dedup.unique.line import Line

EXACT_DUPLICATE: Final = "exact_duplicate"
NEAR_DUPLICATE: Final = "near_duplicate"

_VERDICTS: Final = pa.schema(
    [
        ("row", pa.int64()),  # in the documents shard, ascending
        ("survivor", pa.string()),  # its id
        ("survivor_file", pa.int32()),  # of the line: says which corpus it is of
        ("similarity", pa.float64()),  # Jaccard; null for an exact duplicate
    ]
)
_FIGURES: Final = b"figures"


@dataclass(frozen=True)
class Verdicts:
    """Who is dropped, by number, and for whom."""

    documents: np.ndarray
    """int64, ascending; none is of a kept corpus."""
    survivors: np.ndarray
    """int64, of the same shape."""
    similarities: np.ndarray
    """float64, of the same shape; NaN for an exact duplicate."""
    figures: dict[str, int]
    """What it took."""


def decide(line: Line, threshold: float, scratch: Path, progress: Progress) -> Verdicts:
    """Judge all documents.

    Args:
        line: The documents.
        threshold: Jaccard similarity from which on a document is a near-duplicate.
        scratch: Where to put the candidates' shingles while it lasts.
        progress: Is told of each document.
    """
    copies = find_copies(line)
    candidates = find_candidates(line, copies.documents)
    progress.advance(len(line) - len(candidates.documents), "judged")
    by_number = np.sort(candidates.documents)
    shingles, starts = line.copy_shingles(by_number, scratch)
    places = np.searchsorted(by_number, candidates.documents)
    is_kept = candidates.documents < line.num_kept
    texts = Texts(is_kept, shingles, starts[places], starts[places + 1])
    judge = Judge(candidates, texts, threshold)
    for num_judged in judge.judge():
        progress.advance(num_judged, "judged")
    scratch.unlink()
    figures = {
        "num_candidates": len(candidates.documents),
        "num_compared_pairs": judge.num_compared,
        "num_crowded_keys": judge.num_crowded_keys,
    }
    progress.report(figures)
    return Verdicts(*_with_copies(line, copies, candidates.documents, judge), figures)


def _with_copies(
    line: Line, copies: Copies, documents: np.ndarray, judge: Judge
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Let copies share the fate of their originals: kept, or near-duplicates of another."""
    survivor_of = np.arange(len(line), dtype=np.int64)
    similarity_of = np.full(len(line), np.nan)
    near = judge.survivors >= 0
    survivor_of[documents[near]] = documents[judge.survivors[near]]
    similarity_of[documents[near]] = judge.similarities[near]
    survivor_of[copies.documents] = survivor_of[copies.originals]
    similarity_of[copies.documents] = similarity_of[copies.originals]
    dropped = np.flatnonzero(survivor_of != np.arange(len(line)))
    dropped = dropped[dropped >= line.num_kept]
    return dropped, survivor_of[dropped], similarity_of[dropped]


def write_verdicts(line: Line, verdicts: Verdicts, path: Path) -> None:
    """Write down what was decided: a record batch for each file of the line."""
    schema = _VERDICTS.with_metadata({_FIGURES: orjson.dumps(verdicts.figures)})
    with atomic_path(path) as temporary, pa.ipc.new_file(temporary, schema) as out:
        for start, end in pairwise(line.starts):
            mine = slice(*np.searchsorted(verdicts.documents, (start, end)))
            out.write_batch(_batch(line, verdicts, mine, start))


def _batch(line: Line, verdicts: Verdicts, mine: slice, start: int) -> pa.RecordBatch:
    survivors, places = np.unique(verdicts.survivors[mine], return_inverse=True)
    ids = line.table(survivors, ["id"])["id"].combine_chunks()
    files = np.searchsorted(line.starts, survivors, side="right") - 1
    columns = [
        pa.array(verdicts.documents[mine] - start),
        ids.take(pa.array(places)),
        pa.array(files[places].astype(np.int32)),
        pa.array(verdicts.similarities[mine], from_pandas=True),  # NaN becomes null
    ]
    return pa.record_batch(columns, schema=_VERDICTS)


def read_figures(path: Path) -> dict[str, int]:
    """What it took to decide."""
    return orjson.loads(open_shard(path).schema.metadata[_FIGURES])


def count_by_file(path: Path, num_files: int) -> list[int]:
    """How many documents were dropped for a survivor in each file of the line."""
    reader = open_shard(path)
    counts = np.zeros(num_files, np.int64)
    for index in range(reader.num_record_batches):
        files = reader.get_batch(index).column("survivor_file").to_numpy()
        counts += np.bincount(files, minlength=num_files)
    return counts.tolist()


def read_verdicts(path: Path, index: int, corpora: list[str]) -> Iterator[tuple[int, str, str]]:
    """Row, reason and detail of each document that is dropped from file `index` of the line.

    Args:
        path: The verdicts.
        index: Which file.
        corpora: By file of the line, what to say of a survivor in it.
    """
    for verdict in open_shard(path).get_batch(index).to_pylist():
        detail = verdict["survivor"] + corpora[verdict["survivor_file"]]
        if verdict["similarity"] is None:
            yield verdict["row"], EXACT_DUPLICATE, detail
        else:
            yield verdict["row"], NEAR_DUPLICATE, f"{detail} {verdict['similarity']:.3f}"
