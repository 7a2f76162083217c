"""What deduplication remembers of a document: its place in line, its text's hash, some n-grams."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import xxhash

from corpus.atomic import atomic_path
from corpus.shards import BATCH_ROWS, open_shard, read_rows
from dedup.ngrams import hash_ngrams, split_words

SAMPLE_EVERY: Final = np.uint64(8)
"""One n-gram in eight, picked by its hash: the same n-gram is picked in every document, so the
share of a document that was seen stays comparable at an eighth of the filter's memory and time."""

_FINGERPRINTS: Final = pa.schema(
    [
        ("first_seen", pa.int64()),  # seconds since 1970; unknown sorts last
        ("url", pa.string()),
        ("text_hash", pa.binary(16)),
        ("row", pa.int32()),  # in its documents shard
        ("id", pa.string()),
        ("ngrams", pa.large_list(pa.uint64())),
    ]
)
_UNKNOWN: Final = np.iinfo(np.int64).max


class Fingerprint(NamedTuple):
    """One document of one shard. Its first three fields say who comes first in line."""

    first_seen: int
    url: str
    text_hash: bytes
    """xxh3-128 of the normalised text: equal for exact duplicates."""
    row: int
    id: str
    ngrams: np.ndarray
    """Distinct sampled n-gram hashes, uint64, ascending."""


@dataclass(frozen=True)
class FingerprintTask:
    """One documents shard to fingerprint, in a worker process."""

    documents: Path
    fingerprints: Path
    n: int
    num_rows: int


def write_fingerprints(task: FingerprintTask) -> int:
    """Fingerprint one documents shard, oldest link first, unless that was done before."""
    if not task.fingerprints.is_file():
        columns = ["id", "url", "first_seen", "text"]
        rows = enumerate(read_rows(task.documents, columns))
        _write(task.fingerprints, sorted(_fingerprints(rows, task.n), key=line_order))
    return task.num_rows


def read_fingerprints(path: Path) -> Iterator[Fingerprint]:
    """The fingerprints of one shard, oldest link first; n-grams stay in the mapped file."""
    reader = open_shard(path)
    for index in range(reader.num_record_batches):
        batch = reader.get_batch(index)
        columns = [batch.column(name).to_pylist() for name in _FINGERPRINTS.names[:-1]]
        ngrams = batch.column("ngrams")
        offsets, values = ngrams.offsets.to_numpy(), ngrams.values.to_numpy()
        for i, (first_seen, url, text_hash, row, key) in enumerate(zip(*columns, strict=True)):
            sampled = values[offsets[i] : offsets[i + 1]]
            yield Fingerprint(first_seen, url, text_hash, row, key, sampled)


def line_order(fingerprint: Fingerprint) -> tuple[int, str, bytes]:
    """The order in which documents claim their text: oldest link, then URL, then text.

    Whichever shard or thread a document comes from plays no part.
    """
    return fingerprint[:3]


def count_ngrams(path: Path) -> int:
    """Sampled n-grams in one shard of fingerprints."""
    reader = open_shard(path)
    batches = map(reader.get_batch, range(reader.num_record_batches))
    return sum(len(batch.column("ngrams").values) for batch in batches)


def text_hash_prefixes(path: Path) -> np.ndarray:
    """The first eight bytes of each text hash of one shard of fingerprints, uint64."""
    reader = open_shard(path)
    batches = map(reader.get_batch, range(reader.num_record_batches))
    hashes = b"".join(value for batch in batches for value in batch.column("text_hash").to_pylist())
    return np.frombuffer(hashes, dtype="<u8")[::2]


def _fingerprints(rows: Iterable[tuple[int, dict]], n: int) -> Iterator[Fingerprint]:
    for i, row in rows:
        words = split_words(row["text"])
        # A text without a word (symbols only) is its own normal form: two of them differ.
        normal_form = " ".join(words) or row["text"].strip()
        hashes = hash_ngrams(words, n)
        first_seen = row["first_seen"]
        yield Fingerprint(
            _UNKNOWN if first_seen is None else int(first_seen.timestamp()),
            row["url"],
            xxhash.xxh3_128_digest(normal_form.encode()),
            i,
            row["id"],
            np.unique(hashes[hashes % SAMPLE_EVERY == 0]),
        )


def _write(path: Path, fingerprints: list[Fingerprint]) -> None:
    # Uncompressed, so that reading maps the file and the n-grams cost no memory of ours.
    with atomic_path(path) as temporary, pa.ipc.new_file(temporary, _FINGERPRINTS) as out:
        for start in range(0, len(fingerprints), BATCH_ROWS):
            columns = zip(*fingerprints[start : start + BATCH_ROWS], strict=True)
            arrays = [
                pa.array(column, field.type)
                for column, field in zip(columns, _FINGERPRINTS, strict=True)
            ]
            out.write_batch(pa.record_batch(arrays, schema=_FINGERPRINTS))
