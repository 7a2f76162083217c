"""Shingles are what a set of n-grams in plain Python is."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings, strategies as st

from dedup.ngrams import ngram_hashes
from dedup.unique.fingerprints import distinct_shingles
from dedup.words import scan_words

TEXTS = st.lists(
    st.lists(st.sampled_from(["one", "two", "six"]), max_size=12).map(" ".join), max_size=5
)


@settings(max_examples=60)
@given(texts=TEXTS, n=st.integers(1, 4))
def test_shingles_are_distinct_and_ascend_text_by_text(texts, n):
    shingles, offsets = distinct_shingles(scan_words(pa.array(texts, pa.large_string())), n)
    assert shingles.dtype == np.uint32
    for i, text in enumerate(texts):
        words = text.split()
        distinct = set(zip(*(words[k:] for k in range(n)), strict=False))
        mine = shingles[offsets[i] : offsets[i + 1]]
        expected = np.unique(ngram_hashes(text, n) >> np.uint64(32)).astype(np.uint32)
        assert mine.tolist() == expected.tolist()
        assert len(mine) == len(distinct)
