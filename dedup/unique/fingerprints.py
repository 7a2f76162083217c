"""What deduplication remembers of a document: its place in line, its text's hash, its shingles.

A fingerprint file stands beside one documents shard for as long as the stage runs. It is not
compressed: what is read of it is mapped, and costs no memory of ours.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import xxhash

from corpus.atomic import atomic_path
from corpus.shards import open_shard
from dedup.ngrams import hash_ngrams
from dedup.unique.minhash import NUM_BANDS, band_keys
from dedup.words import Words, scan_words

LINE: Final = ["first_seen", "url", "text_hash_0", "text_hash_1", "id"]
"""The columns by which documents claim their text: oldest link, then URL, then text."""
BANDS: Final = [f"band_{band:02}" for band in range(NUM_BANDS)]

_FINGERPRINTS: Final = pa.schema(
    [
        ("first_seen", pa.int64()),  # seconds since 1970; unknown sorts last
        ("url", pa.string()),
        ("text_hash_0", pa.uint64()),  # xxh3-128 of the text's words: equal for exact duplicates
        ("text_hash_1", pa.uint64()),
        ("id", pa.string()),
        *((band, pa.uint64()) for band in BANDS),
        ("shingles", pa.large_list(pa.uint32())),  # distinct, ascending
    ]
)
_UNKNOWN: Final = np.iinfo(np.int64).max
_SHINGLE_BITS: Final = np.uint64(32)


@dataclass(frozen=True)
class FingerprintTask:
    """One documents shard to fingerprint, in a worker process."""

    documents: Path
    fingerprints: Path
    n: int
    rows_per_band: int
    num_documents: int


def write_fingerprints(task: FingerprintTask) -> int:
    """Fingerprint one documents shard, unless that was done before."""
    if not task.fingerprints.is_file():
        with (
            atomic_path(task.fingerprints) as temporary,
            pa.ipc.new_file(temporary, _FINGERPRINTS) as out,
        ):
            for batch in _batches(task.documents):
                out.write_batch(_fingerprint(batch, task.n, task.rows_per_band))
    return task.num_documents


def read_column(path: Path, name: str) -> np.ndarray:
    """One column of numbers, for all documents of a fingerprint file."""
    parts = [batch.column(name).to_numpy() for batch in _batches(path)]
    return np.concatenate([np.empty(0, _FINGERPRINTS.field(name).type.to_pandas_dtype()), *parts])


def take(path: Path, rows: np.ndarray, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of the documents at `rows`, which ascend."""
    start = 0
    for batch in _batches(path):
        first, last = np.searchsorted(rows, (start, start + batch.num_rows))
        if first < last:
            yield batch.select(columns).take(pa.array(rows[first:last] - start))
        start += batch.num_rows


def distinct_shingles(words: Words, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Each text's distinct n-grams of words: hashes (uint32, ascending) and offsets (int64).

    The upper half of a 64-bit hash halves the files. Two of a million shingles that differ are
    taken for the same once in 4,000 times: it moves no similarity by more than 0.001.
    """
    ngrams = hash_ngrams(words, n)
    num_texts = len(ngrams.offsets) - 1
    texts = np.repeat(np.arange(num_texts, dtype=np.uint64), np.diff(ngrams.offsets))
    # Text and shingle in one number: a single sort of a batch does the work of one per text.
    numbered = np.sort(texts << _SHINGLE_BITS | ngrams.hashes >> _SHINGLE_BITS)
    is_first = np.ones(len(numbered), np.bool_)
    np.not_equal(numbered[1:], numbered[:-1], out=is_first[1:])
    numbered = numbered[is_first]
    bounds = np.arange(num_texts + 1, dtype=np.uint64) << _SHINGLE_BITS
    offsets = np.searchsorted(numbered, bounds).astype(np.int64)
    return numbered.astype(np.uint32), offsets


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    reader = open_shard(path)
    return map(reader.get_batch, range(reader.num_record_batches))


def _fingerprint(documents: pa.RecordBatch, n: int, num_rows: int) -> pa.RecordBatch:
    texts = documents.column("text")
    words = scan_words(texts)
    shingles, offsets = distinct_shingles(words, n)
    hashes = np.frombuffer(_text_hashes(texts, words), "<u8").reshape(-1, 2)
    first_seen = documents.column("first_seen").cast(pa.int64()).fill_null(_UNKNOWN)
    columns = [
        first_seen,
        documents.column("url"),
        *(pa.array(column) for column in np.ascontiguousarray(hashes.T)),
        documents.column("id"),
        *(pa.array(keys) for keys in band_keys(shingles, offsets, num_rows)),
        pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(shingles)),
    ]
    return pa.record_batch(columns, schema=_FINGERPRINTS)


def _text_hashes(texts: pa.Array, words: Words) -> bytes:
    hashes = bytearray()
    for i, (start, end) in enumerate(pairwise(words.offsets.tolist())):
        if start < end:
            hashes += xxhash.xxh3_128_digest(words.hashes[start:end].data)
        else:
            # A text without a word (symbols only) is itself: two such texts differ. The seed
            # keeps it apart from every text with words.
            hashes += xxhash.xxh3_128_digest(texts[i].as_py().strip().encode(), seed=1)
    return bytes(hashes)
