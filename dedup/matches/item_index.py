"""The n-grams of the benchmark texts: indexed once, mapped into every worker, looked up in bulk."""

from pathlib import Path
from typing import Final, NamedTuple, Self

import numpy as np
import pyarrow as pa

from corpus.atomic import atomic_path
from dedup.matches.kernels import look_up_kernel
from dedup.matches.spans import to_characters
from dedup.ngrams import hash_ngrams
from dedup.words import scan_words

MAX_OCCURRENCES: Final = 64
"""Places of one n-gram in one text from which an alignment may start. A text that repeats one word
ten thousand times would cost ten thousand comparisons per word of every document like it."""


class ItemIndex(NamedTuple):
    """Benchmark texts, one after the other, and where each of their n-grams occurs.

    About 60 bytes per word of the benchmarks, whatever the size of the corpus.
    """

    rows: np.ndarray
    """Which row of the parts file each text is, int64 of shape (num_texts,)."""
    text_starts: np.ndarray
    """First word of each text, int64 of shape (num_texts + 1,)."""
    text_at: np.ndarray
    """The text that each word belongs to, int64 of shape (num_words,)."""
    words: np.ndarray
    """Hashes, uint64 of shape (num_words,)."""
    spans: np.ndarray
    """Start and end of each word in characters of its text, int64 of shape (num_words, 2)."""
    entries: np.ndarray
    """Distinct n-gram hashes, ascending, uint64 of shape (num_entries,)."""
    entry_at: np.ndarray
    """The entry of the n-gram that begins at each word, or -1, int64 of shape (num_words,)."""
    postings: np.ndarray
    """Words at which the n-grams begin, by entry, then in order: int64."""
    posting_starts: np.ndarray
    """First posting of each entry, int64 of shape (num_entries + 1,)."""
    buckets: np.ndarray
    """First entry whose hash begins with given bits: int64, a power of two and one more."""

    def save(self, folder: Path) -> None:
        """Write each array atomically."""
        for name, array in self._asdict().items():
            with atomic_path(folder / f"{name}.npy") as temporary, temporary.open("wb") as file:
                np.save(file, array)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Map an index that `save` wrote."""
        return cls(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in cls._fields))


def build_index(texts: pa.Array, rows: np.ndarray, n: int) -> ItemIndex:
    """Index the n-grams of `texts`, which are the given `rows` of the parts file."""
    words = scan_words(texts, with_spans=True)
    ngrams = hash_ngrams(words, n)
    num_words = np.diff(words.offsets)
    text_at = np.repeat(np.arange(len(num_words)), num_words)
    entries, entry_of = np.unique(ngrams.hashes, return_inverse=True)
    # A text's k-th n-gram begins at its k-th word, and its last n - 1 words begin none.
    num_left = np.repeat(words.offsets[1:], num_words) - np.arange(len(text_at))
    begins = num_left >= n
    entry_at = np.full(len(text_at), -1)
    entry_at[begins] = entry_of
    postings, posting_starts = _postings(entry_of, np.flatnonzero(begins), text_at, len(entries))
    return ItemIndex(
        rows=rows,
        text_starts=words.offsets,
        text_at=text_at,
        words=words.hashes,
        spans=_character_spans(texts, words.offsets, np.stack([words.starts, words.ends], axis=1)),
        entries=entries,
        entry_at=entry_at,
        postings=postings,
        posting_starts=posting_starts,
        buckets=_buckets(entries),
    )


def look_up(index: ItemIndex, hashes: np.ndarray) -> np.ndarray:
    """The entry of each hash, or -1: int64. Exact for hashes."""
    found = np.empty(len(hashes), np.int64)
    look_up_kernel(hashes, index.entries, index.buckets, _shift(len(index.buckets)), found)
    return found


def _postings(
    entry_of: np.ndarray, begins: np.ndarray, text_at: np.ndarray, num_entries: int
) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(entry_of, kind="stable")
    entries, words = entry_of[order], begins[order]
    texts = text_at[words]
    is_first = np.ones(len(order), bool)
    is_first[1:] = (entries[1:] != entries[:-1]) | (texts[1:] != texts[:-1])
    firsts = np.flatnonzero(is_first)
    occurrence = np.arange(len(order)) - np.repeat(firsts, np.diff(np.append(firsts, len(order))))
    kept = occurrence < MAX_OCCURRENCES
    starts = np.searchsorted(entries[kept], np.arange(num_entries + 1))
    return words[kept], starts


def _character_spans(texts: pa.Array, offsets: np.ndarray, spans: np.ndarray) -> np.ndarray:
    for i, text in enumerate(texts):
        rows = slice(offsets[i], offsets[i + 1])
        spans[rows] = to_characters(text.as_py(), spans[rows])
    return spans


def _buckets(entries: np.ndarray) -> np.ndarray:
    # About one entry per bucket: a look-up reads one bucket and one hash, most often none.
    num_bits = max(1, len(entries).bit_length())
    firsts = np.arange(1 << num_bits, dtype=np.uint64) << np.uint64(64 - num_bits)
    return np.append(np.searchsorted(entries, firsts), len(entries))


def _shift(num_buckets: int) -> np.uint64:
    return np.uint64(64 - (num_buckets - 1).bit_length() + 1)
