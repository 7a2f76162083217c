"""n-gram hashes equal a plain reference, and are the same for ever."""

import subprocess
import sys

import numpy as np
import pytest
import xxhash
from hypothesis import given, settings, strategies as st

from dedup import ngrams
from dedup.ngrams import ngram_hashes, normalise

MASK = (1 << 64) - 1
PINNED = [11940571000256424755, 7138262350835271769]


def reference_hashes(text: str, n: int) -> list[int]:
    """One n-gram at a time, in Python's integers."""
    words = normalise(text).split()
    hashes = []
    for i in range(len(words) - n + 1):
        value = 0
        for word in words[i : i + n]:
            value = (value * 0x9E3779B97F4A7C15 + xxhash.xxh3_64_intdigest(word.encode())) & MASK
        value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & MASK
        value = ((value ^ value >> 27) * 0x94D049BB133111EB) & MASK
        hashes.append(value ^ value >> 31)
    return hashes


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab Äß9_-.\n語́", max_size=80), st.integers(1, 9))
def test_hashes_equal_the_plain_reference(text, n):
    hashes = ngram_hashes(text, n)
    assert hashes.dtype == np.uint64
    assert hashes.tolist() == reference_hashes(text, n)


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("It's a snake_case, THE-end!", "it s a snake case the end"),
        ("Cafe\u0301 ÄRGER 42nd", "café ärger 42nd"),
        ("Жизнь,\tЩит\n\n東京 2020", "жизнь щит 東京 2020"),
        ("?! … —", ""),
        ("", ""),
    ],
)
def test_normalised_text_is_lower_case_words_and_single_spaces(text, normalised):
    assert normalise(text) == normalised


def test_a_text_shorter_than_n_has_no_ngrams():
    assert ngram_hashes("one two three four five six seven", 8).shape == (0,)
    assert ngram_hashes("", 8).shape == (0,)


def test_n_must_be_positive():
    with pytest.raises(ValueError, match="positive"):
        ngram_hashes("one", 0)


def test_word_order_and_word_borders_matter():
    hashes = [ngram_hashes(text, 2)[0] for text in ("a b", "b a", "ab c", "a bc")]
    assert len(set(hashes)) == 4


def test_hashes_are_those_of_another_process_and_of_last_year():
    # Python's own hash() differs from process to process; this number must never change.
    text = "the quick brown fox jumps over the lazy dog"
    code = f"from dedup.ngrams import ngram_hashes; print(ngram_hashes({text!r}, 8).tolist())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == str(ngram_hashes(text, 8).tolist())
    assert ngram_hashes(text, 8).tolist() == PINNED


def test_a_full_word_cache_changes_no_hash(monkeypatch):
    text = " ".join(f"w{i % 50}" for i in range(300))
    expected = ngram_hashes(text, 3).tolist()
    monkeypatch.setattr(ngrams, "_MAX_CACHED_WORDS", 7)
    monkeypatch.setattr(ngrams, "_word_hashes", ngrams._WordHashes())
    assert ngram_hashes(text, 3).tolist() == expected
    assert len(ngrams._word_hashes) <= 7


def test_low_bits_are_evenly_spread():
    hashes = ngram_hashes(" ".join(f"w{i}" for i in range(80_000)), 8)
    counts = np.bincount((hashes % np.uint64(8)).astype(np.int64), minlength=8)
    assert counts.min() > 9_600
    assert counts.max() < 10_400
