"""n-gram hashes equal the plain reference, and are the same for ever."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from dedup.ngrams import hash_ngrams, ngram_hashes, scan_ngrams
from dedup.words import scan_words
from tests.dedup import reference

FOX = "the quick brown fox jumps over the lazy dog"
PINNED = [13250474460214539201, 3464301405277179954]


@settings(max_examples=100)
@given(st.text(alphabet="ab \u00c4\u00df9_-.\n\u8a9e\u0301", max_size=80), st.integers(1, 9))
def test_hashes_equal_the_plain_reference(text, n):
    hashes = ngram_hashes(text, n)
    assert hashes.dtype == np.uint64
    assert hashes.tolist() == reference.ngram_hashes(text, n)


@settings(max_examples=60)
@given(st.lists(st.text("ab c", max_size=30), max_size=6), st.integers(1, 5))
def test_no_ngram_crosses_from_one_text_to_the_next(texts, n):
    found = scan_ngrams(pa.array(texts, pa.string()), n)
    for number, text in enumerate(texts):
        begin, end = found.offsets[number : number + 2]
        assert found.hashes[begin:end].tolist() == reference.ngram_hashes(text, n)


def test_the_words_once_scanned_give_ngrams_of_every_length():
    words = scan_words(pa.array([FOX]))
    for n in range(1, 10):
        assert hash_ngrams(words, n).hashes.tolist() == ngram_hashes(FOX, n).tolist()


def test_a_text_shorter_than_n_has_no_ngrams():
    assert ngram_hashes("one two three four five six seven", 8).shape == (0,)
    assert ngram_hashes("", 8).shape == (0,)


@pytest.mark.parametrize("n", [0, -3])
def test_n_must_be_positive(n):
    with pytest.raises(ValueError, match=f"positive, got {n}"):
        ngram_hashes("one", n)


def test_word_order_and_word_borders_matter():
    hashes = [ngram_hashes(text, 2)[0] for text in ("a b", "b a", "ab c", "a bc")]
    assert len(set(hashes)) == 4


def test_hashes_are_those_of_another_process_and_of_last_year():
    # They lie in files: a change of one of them needs another SCHEME.
    code = f"from dedup.ngrams import ngram_hashes; print(ngram_hashes({FOX!r}, 8).tolist())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == str(PINNED)
    assert ngram_hashes(FOX, 8).tolist() == PINNED


@pytest.mark.parametrize("shift", [0, 32, 61])
def test_all_bits_are_evenly_spread(shift):
    hashes = ngram_hashes(" ".join(f"w{i}" for i in range(80_000)), 8)
    counts = np.bincount((hashes >> np.uint64(shift) & np.uint64(7)).astype(np.int64), minlength=8)
    assert counts.min() > 9_600
    assert counts.max() < 10_400
