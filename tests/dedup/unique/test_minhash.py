"""Documents that share most of their shingles share a band's key, as often as promised."""

import numpy as np
import pytest

from dedup.unique.minhash import MAX_ROWS, NO_KEY, NUM_BANDS, RECALL, band_keys, rows_per_band


def keys_of(sets: list[np.ndarray], num_rows: int) -> np.ndarray:
    offsets = np.cumsum([0, *map(len, sets)], dtype=np.int64)
    return band_keys(np.concatenate(sets).astype(np.uint32), offsets, num_rows)


def random_set(rng: np.random.Generator, size: int) -> np.ndarray:
    return rng.integers(0, 2**32, size, np.uint64).astype(np.uint32)


@pytest.mark.parametrize("threshold", [0.5, 0.55, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.99, 1.0])
def test_bands_are_as_long_as_the_promised_recall_allows(threshold):
    num_rows = rows_per_band(threshold)
    assert 1 <= num_rows <= MAX_ROWS
    assert 1 - (1 - threshold**num_rows) ** NUM_BANDS >= RECALL
    if num_rows < MAX_ROWS:
        assert 1 - (1 - threshold ** (num_rows + 1)) ** NUM_BANDS < RECALL


def test_pairs_at_a_similarity_share_bands_as_often_as_the_formula_says():
    rng = np.random.default_rng(1)
    num_pairs, similarity, num_rows = 400, 0.5, 3
    sets = []
    for _ in range(num_pairs):
        union = random_set(rng, 300)
        sets += [union[:225], union[75:]]
    keys = keys_of(sets, num_rows)
    shared = keys[:, ::2] == keys[:, 1::2]
    # 8,000 bands with a chance of 1/8 each: three standard deviations are 0.011, and those of
    # one pair are not quite independent.
    assert shared.mean() == pytest.approx(similarity**num_rows, abs=0.02)
    expected = 1 - (1 - similarity**num_rows) ** NUM_BANDS
    assert shared.any(axis=0).mean() == pytest.approx(expected, abs=0.05)


def test_equal_sets_share_every_key_and_different_sets_none():
    rng = np.random.default_rng(2)
    one, other = random_set(rng, 500), random_set(rng, 500)
    keys = keys_of([one, other, one[::-1]], 6)
    assert (keys[:, 0] == keys[:, 2]).all()
    assert len(np.unique(keys)) == 2 * NUM_BANDS


def test_a_document_without_shingles_is_in_no_band():
    keys = keys_of([np.empty(0, np.uint32), np.array([7])], 6)
    assert (keys[:, 0] == NO_KEY).all()
    assert (keys[:, 1] != NO_KEY).all()
    assert keys_of([np.empty(0, np.uint32)], 6).shape == (NUM_BANDS, 1)
