"""The n-gram filter keeps its promise up to its very capacity."""

import numpy as np
import pytest

from dedup.fingerprints import Fingerprint
from dedup.seen import SeenTexts, filter_capacity, repeated_values

NOTHING = np.empty(0, np.uint64)


def fingerprint(ngrams: np.ndarray, text: bytes = b"") -> Fingerprint:
    return Fingerprint(0, "http://a/", text.ljust(16, b"."), 0, text.hex(), ngrams)


def random_ngrams(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, np.iinfo(np.uint64).max, count, dtype=np.uint64)


@pytest.mark.parametrize("num_ngrams", [1, 7, 1000, 20_000])
def test_a_filter_filled_to_its_capacity_takes_every_ngram(num_ngrams):
    seen = SeenTexts(num_ngrams, 1e-3, 0.8, NOTHING)
    ngrams = random_ngrams(1, num_ngrams)
    for part in np.array_split(ngrams, 10):
        seen.judge(fingerprint(part))
    assert seen._share_seen(ngrams.tolist()) in (0.0, 1.0)  # 0.0: too few to say
    for ngram in random_ngrams(2, filter_capacity(num_ngrams) - num_ngrams):
        seen.judge(fingerprint(np.array([ngram])))


@pytest.mark.parametrize("error_rate", [1e-2, 1e-3])
def test_measured_false_positive_rate_is_within_the_promised_one(error_rate):
    seen = SeenTexts(20_000, error_rate, 0.8, NOTHING)
    seen.judge(fingerprint(random_ngrams(1, 20_000)))
    measured = seen._share_seen(random_ngrams(2, 200_000).tolist())
    # 200 expected at 1e-3: three standard deviations of the count are 42.
    assert error_rate / 10 < measured < error_rate * (1 + 3 / (200_000 * error_rate) ** 0.5)


def test_an_ngram_is_never_forgotten():
    seen = SeenTexts(5_000, 1e-3, 0.8, NOTHING)
    ngrams = random_ngrams(1, 5_000)
    assert seen.judge(fingerprint(ngrams)) is None
    assert seen._share_seen(ngrams.tolist()) == 1.0


def test_an_empty_filter_knows_nothing():
    seen = SeenTexts(0, 1e-3, 0.8, NOTHING)
    assert seen.judge(fingerprint(NOTHING)) is None
    assert seen._share_seen(random_ngrams(1, 1000).tolist()) == 0.0


def test_too_few_ngrams_are_no_evidence():
    seen = SeenTexts(100, 1e-3, 0.8, NOTHING)
    ngrams = random_ngrams(1, 100)
    seen.judge(fingerprint(ngrams))
    assert seen.judge(fingerprint(ngrams[:3], b"b")) is None
    assert seen.judge(fingerprint(ngrams[:4], b"c")) == ("near_duplicate", "1.000")


def test_repeated_values_are_those_that_occur_twice_or_more():
    values = np.array([5, 1, 5, 2, 1, 5, 9], dtype=np.uint64)
    assert repeated_values(values).tolist() == [1, 5]
    assert repeated_values(NOTHING).tolist() == []
