"""The paragraphs of documents, a line each, as hashes of their words."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from dedup.words import scan_words


class Lines(NamedTuple):
    """The lines of some texts that have enough words, text after text."""

    hashes: np.ndarray
    """uint64: equal for equal words, whatever their case and punctuation."""
    texts: np.ndarray
    """int64: which text each is of."""
    places: np.ndarray
    """int64: which line of its text it is."""


def scan_lines(texts: pa.Array, min_words: int) -> Lines:
    """The lines of at least `min_words` words of each of `texts`; shorter ones have no place."""
    split = pc.call_function("split_pattern", [texts], pc.SplitPatternOptions("\n"))
    starts = split.offsets.to_numpy().astype(np.int64) - split.offsets[0].as_py()
    words = scan_words(split.flatten())
    long = np.flatnonzero(np.diff(words.offsets) >= min_words)
    spans = zip(words.offsets[long].tolist(), words.offsets[long + 1].tolist(), strict=True)
    hashes = (xxhash.xxh3_64_intdigest(words.hashes[start:end].data) for start, end in spans)
    owners = np.searchsorted(starts, long, side="right") - 1
    return Lines(np.fromiter(hashes, np.uint64, len(long)), owners, long - starts[owners])
