"""A Bloom filter of n-grams: small parts, each sized, laid out and saved as pybloom-live's filters.

A key of one large filter costs a cache miss for each of its bits. So the filter is cut into parts
that fit a core's second-level cache; a key's top bits say which part it is in. Keys are collected,
sorted by part, and set part by part. Parts share nothing: each is filled by one thread, without
locks, and the bits are the same for any number of threads and any order of keys.

pybloom-live's own hashing would take a hundred times as long, so the hashing is ours, and
pybloom-live can open a part but not look a text up in it.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Final, Self, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.atomic import atomic_path
from dedup.filter_kernels import COUNT_WORD, FIRST_BIT, find, insert_buckets, mix_and_count, scatter
from dedup.filter_layout import FilterLayout, read_header
from dedup.ngrams import scan_ngrams

# A part is fetched from memory and written back for each batch of keys: so many keys of it at
# least, or the memory is what one waits for. They lie in memory twice: 8 % of a large filter.
_KEYS_PER_PART: Final = 1024
_MIN_BATCH: Final = 1 << 20
_MAX_BUCKET_BITS: Final = 10
_FIRST_WORD: Final = FIRST_BIT // 64

# Texts are scanned in pieces whose hashes stay in the cache.
_PIECE_BYTES: Final = 1 << 19
_PIECES_PER_THREAD: Final = 8


T = TypeVar("T")


class NgramFilter:
    """A set of 64-bit keys, n-grams' hashes, that may say yes for a key it does not have.

    Not for several callers at once, but for `contains` on a loaded filter.

    Args:
        capacity: Distinct keys up to which the error rate holds; more go in, see `is_overfull`.
        error_rate: Share of absent keys that may be answered with yes, 1e-12 to 0.01.
        n: Words per n-gram.

    Raises:
        ValueError: a value that no filter can have.
    """

    def __init__(self, capacity: int, error_rate: float = 1e-8, *, n: int) -> None:
        layout = FilterLayout.plan(n, capacity, error_rate)
        self._open(layout, layout.empty())
        batch = max(_MIN_BATCH, _KEYS_PER_PART * layout.num_parts)
        self._pending, self._by_bucket = np.empty((2, batch), np.uint64)

    def _open(self, layout: FilterLayout, memory: np.ndarray) -> None:
        self._layout = layout
        self._memory = memory
        self._parts = layout.parts(memory)
        self._num_pending = 0
        self._num_threads = 1
        self._saved: tuple[int, float] | None = None
        self._hashing = np.uint64(layout.bits_per_slice), layout.constants

    @classmethod
    def load(cls, path: Path) -> Self:
        """A saved filter for look-ups, mapped into memory: only what is asked for is read.

        Raises:
            WebtextError: the file is no filter, is damaged, or holds hashes of another scheme.
        """
        layout, num_added, expected_error_rate = read_header(path)
        loaded = cls.__new__(cls)
        loaded._open(layout, np.memmap(path, np.uint64, mode="r"))
        loaded._saved = num_added, expected_error_rate
        return loaded

    def save(self, path: Path) -> None:
        """Write the filter to `path`, whole or not at all.

        Raises:
            WebtextError: no space left.
        """
        header = self._layout.header(self.num_added, self.expected_error_rate)
        if not self._saved:
            self._layout.label_parts(self._memory)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            header.tofile(file)
            self._memory[len(header) :].tofile(file)

    @property
    def n(self) -> int:
        """Words per n-gram."""
        return self._layout.n

    @property
    def capacity(self) -> int:
        """Distinct keys up to which the error rate holds."""
        return self._layout.capacity

    @property
    def error_rate(self) -> float:
        """The promise: share of absent keys that may be answered with yes, at capacity."""
        return self._layout.error_rate

    @property
    def num_bytes(self) -> int:
        """Size in memory, without the keys that wait, and on disk."""
        return self._layout.num_bytes

    @property
    def num_added(self) -> int:
        """Distinct keys, counted as they came; estimated from the bits where filters were merged.

        A key that the filter seemed to have already is not counted: up to capacity that is a
        share far below the error rate.
        """
        if self._saved:
            return self._saved[0]
        self._insert_pending()
        return int(self._parts[:, COUNT_WORD].sum())

    @property
    def is_overfull(self) -> bool:
        """Whether it has more keys than it promises its error rate for."""
        return self.num_added > self.capacity

    @property
    def expected_error_rate(self) -> float:
        """The share of absent keys answered with yes as the bits are now; reads all of them."""
        if self._saved:
            return self._saved[1]
        self._insert_pending()
        return float(np.mean(self._fills() ** self._layout.num_slices))

    def add(self, hashes: np.ndarray, threads: int = 1) -> None:
        """Add keys.

        Args:
            hashes: uint64.
            threads: How many work on it; any number gives the same bits.

        Raises:
            ValueError: not uint64, or the filter is a loaded one.
        """
        if hashes.dtype != np.uint64:
            raise ValueError(f"keys must be uint64, got {hashes.dtype}")
        if self._saved:
            raise ValueError("a loaded filter is for look-ups: merge it into a new one")
        self._num_threads = threads
        begin = 0
        while begin < len(hashes):
            piece = hashes[begin : begin + len(self._pending) - self._num_pending]
            self._pending[self._num_pending : self._num_pending + len(piece)] = piece
            self._num_pending += len(piece)
            begin += len(piece)
            if self._num_pending == len(self._pending):
                self._insert_pending()

    def add_texts(self, texts: pa.Array, threads: int = 1) -> None:
        """Add the n-grams of `texts`: strings without nulls; see `scan_words`."""
        pieces = list(_pieces(texts))
        wave = _PIECES_PER_THREAD * threads
        for begin in range(0, len(pieces), wave):
            scans = [partial(scan_ngrams, piece, self.n) for piece in pieces[begin : begin + wave]]
            for ngrams in _in_threads(scans, threads):
                self.add(ngrams.hashes, threads)

    def contains(self, hashes: np.ndarray) -> np.ndarray:
        """Whether the filter has each of some keys (uint64), bool of the same shape."""
        self._insert_pending()
        found = np.empty(len(hashes), np.bool_)
        find(hashes, self._layout.part_bits, self._parts, *self._hashing, found)
        return found

    def merge(self, other: "NgramFilter") -> None:
        """Add all the keys of another filter, which may be a loaded one.

        Raises:
            ValueError: they differ in n, capacity or error rate, or this one is a loaded one.
        """
        if self._saved:
            raise ValueError("a loaded filter is for look-ups: merge it into a new one")
        if self._layout != other._layout:
            raise ValueError(f"filters differ: {self._layout} and {other._layout}")
        self._insert_pending()
        other._insert_pending()
        ours, theirs = self._parts[:, COUNT_WORD], other._parts[:, COUNT_WORD]
        least, most = np.maximum(ours, theirs), ours + theirs
        np.bitwise_or(
            self._parts[:, _FIRST_WORD:],
            other._parts[:, _FIRST_WORD:],
            out=self._parts[:, _FIRST_WORD:],
        )
        self._parts[:, COUNT_WORD] = np.clip(self._estimated_counts(), least, most)

    def _fills(self) -> np.ndarray:
        """The share of each part's bits that is set."""
        set_bits = [np.bitwise_count(part[_FIRST_WORD:]).sum() for part in self._parts]
        return np.array(set_bits) / (self._layout.num_slices * self._layout.bits_per_slice)

    def _estimated_counts(self) -> np.ndarray:
        # A slice of m bits that has had n keys is filled to 1 - exp(-n / m).
        empty = np.maximum(1 - self._fills(), np.finfo(np.float64).tiny)
        return np.rint(-np.log(empty) * self._layout.bits_per_slice).astype(np.uint64)

    def _insert_pending(self) -> None:
        """Sort the keys that wait into buckets, runs of parts, and set their bits."""
        if not self._num_pending:
            return
        threads = self._num_threads
        keys, by_bucket = self._pending[: self._num_pending], self._by_bucket[: self._num_pending]
        self._num_pending = 0
        part_bits = self._layout.part_bits
        bucket_bits = min(part_bits, _MAX_BUCKET_BITS)
        shares = np.array_split(keys, threads)
        counts = np.zeros((threads, 1 << bucket_bits), np.int64)
        _in_threads(
            [
                partial(mix_and_count, *each, bucket_bits)
                for each in zip(shares, counts, strict=True)
            ],
            threads,
        )
        # Bucket by bucket, and in each the threads' shares in their order.
        ends = counts.T.cumsum().reshape(counts.T.shape).T
        nexts = np.ascontiguousarray(ends - counts)
        bounds = np.append(nexts[0], len(keys))
        _in_threads(
            [
                partial(scatter, *each, bucket_bits, by_bucket)
                for each in zip(shares, nexts, strict=True)
            ],
            threads,
        )
        edges = np.linspace(0, 1 << bucket_bits, threads + 1).astype(np.int64)
        _in_threads(
            [
                partial(
                    insert_buckets,
                    by_bucket,
                    bounds,
                    int(first),
                    int(last),
                    part_bits,
                    self._parts,
                    *self._hashing,
                )
                for first, last in pairwise(edges)
            ],
            threads,
        )


def _in_threads(calls: Sequence[Callable[[], T]], threads: int) -> list[T]:
    """The results of `calls`, which release the interpreter."""
    if threads == 1 or len(calls) == 1:
        return [call() for call in calls]
    return list(_threads(threads).map(lambda call: call(), calls))


@cache
def _threads(number: int) -> ThreadPoolExecutor:
    # Kept: to start threads anew for each of a batch's steps takes as long as the shorter steps.
    return ThreadPoolExecutor(number)


def _pieces(texts: pa.Array) -> Iterator[pa.Array]:
    """Slices of `texts` of about `_PIECE_BYTES`."""
    sizes = pc.call_function("binary_length", [texts])
    ends = np.cumsum(sizes.to_numpy(zero_copy_only=False))
    begin = 0
    while begin < len(texts):
        before = ends[begin - 1] if begin else 0
        end = max(int(np.searchsorted(ends, before + _PIECE_BYTES, "right")), begin + 1)
        yield texts.slice(begin, end - begin)
        begin = end
