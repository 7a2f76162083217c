"""How well, and how fast, near-duplicates are found: MinHash bands, with and without comparison.

    python -m benchmarks.near_duplicates [--quick]

Quality: real article texts and edited copies; a pair of copies of one article is a near-duplicate
if its Jaccard similarity, computed from Python sets of 5-grams, is at least the threshold. Speed:
each pass of the stage `unique` on documents made from the same articles. The ratio `sorting` is
band keys per second, asked of a Bloom filter to find the repeated ones, by those of sorting them.
"""

import tempfile
import time
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.edited_pages import article_texts, edited_texts, shingle_set
from benchmarks.real_data import REAL_DATA
from benchmarks.side_by_side import (
    Run,
    alternate,
    median_rate,
    median_ratio,
    parse_arguments,
    print_result,
)
from benchmarks.unique_passes import measure_passes
from dedup.ngrams import scan_ngrams
from dedup.unique.candidates import number_repeated
from dedup.unique.fingerprints import distinct_shingles
from dedup.unique.minhash import band_keys, rows_per_band
from dedup.words import scan_words

_THRESHOLDS = (0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
_N = 5
_CONTAINED_N, _SAMPLE_EVERY = 8, 8  # n-gram containment, as DCLM's: 8-grams, one in eight


def main() -> None:
    """Measure, and print the tables and the result."""
    is_quick = parse_arguments(__doc__).quick
    texts = article_texts(REAL_DATA) if REAL_DATA.is_dir() else []
    if not texts:
        raise SystemExit(f"no pages in {REAL_DATA}: set WEBTEXT_TEST_DATA")
    pairs = _Pairs(texts[:: 12 if is_quick else 1])
    print("| threshold | pairs | bands x rows | webtext | bands alone | containment |")
    print("|---|---|---|---|---|---|")
    for threshold in _THRESHOLDS:
        print(pairs.row(threshold))
    with tempfile.TemporaryDirectory() as folder:
        passes = measure_passes(texts, 2_000 if is_quick else 20_000, Path(folder))
    keys = _keys(400_000 if is_quick else 4_000_000)
    contenders = {"sorted": partial(_find_sorted, keys), "filters": partial(_find_filtered, keys)}
    rounds = alternate(contenders, 2 if is_quick else 3)
    recall, precision = pairs.score(pairs.found(0.8), 0.8)
    print_result(
        "near_duplicates",
        {"sorting": median_ratio(rounds, "filters", "sorted")},
        {
            "recall": recall,
            "precision": precision,
            "num_pairs": len(pairs.similarities),
            "sorted_keys_per_s": median_rate(rounds, "sorted"),
            "filtered_keys_per_s": median_rate(rounds, "filters"),
            **passes,
        },
    )


class _Pairs:
    """All pairs of copies of each article: what is true of them, and what each rule says."""

    def __init__(self, texts: list[str]) -> None:
        copies = [[each.text for each in edited_texts(t, i)] for i, t in enumerate(texts)]
        self.similarities = np.concatenate([_similarities(group) for group in copies])
        arrays = [pa.array(group, pa.large_string()) for group in copies]
        self._words = [scan_words(array) for array in arrays]
        self._shingles = [distinct_shingles(words, _N) for words in self._words]
        self._compared = np.concatenate([_compare(*shingles) for shingles in self._shingles])
        self._contained = np.concatenate([_containments(array) for array in arrays])

    def row(self, threshold: float) -> str:
        """A line of the table."""
        num_true = int((self.similarities >= threshold).sum())
        bands = self.score(self._share_band(threshold), threshold)
        contained = self.score(self._contained >= threshold, threshold)
        scores = (self.score(self.found(threshold), threshold), bands, contained)
        cells = " | ".join(f"{recall:.4f} / {precision:.4f}" for recall, precision in scores)
        return f"| {threshold} | {num_true:,} | 20 x {rows_per_band(threshold)} | {cells} |"

    def found(self, threshold: float) -> np.ndarray:
        """Ours: the pairs that share a band and whose shingles are compared."""
        return self._share_band(threshold) & (self._compared >= threshold)

    def score(self, found: np.ndarray, threshold: float) -> tuple[float, float]:
        """Recall and precision."""
        true = self.similarities >= threshold
        hits = (found & true).sum()
        return float(hits / true.sum()), float(hits / found.sum())

    def _share_band(self, threshold: float) -> np.ndarray:
        rows = rows_per_band(threshold)
        keys = [band_keys(shingles, offsets, rows) for shingles, offsets in self._shingles]
        return np.concatenate([_pairwise_any(group) for group in keys])


def _similarities(texts: list[str]) -> np.ndarray:
    sets = [shingle_set(text, _N) for text in texts]
    return np.array([len(a & b) / len(a | b) for a, b in combinations(sets, 2)])


def _compare(shingles: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    sets = [set(part.tolist()) for part in np.split(shingles, offsets[1:-1])]
    shared = [(len(a & b), len(a) + len(b)) for a, b in combinations(sets, 2)]
    return np.array([num / (total - num) for num, total in shared])


def _containments(texts: pa.Array) -> np.ndarray:
    """The share of the later's sampled n-grams that the earlier has: the best case of a filter."""
    ngrams = scan_ngrams(texts, _CONTAINED_N)
    parts = np.split(ngrams.hashes, ngrams.offsets[1:-1])
    sets = [set(part[part % _SAMPLE_EVERY == 0].tolist()) for part in parts]
    return np.array([len(a & b) / max(1, len(b)) for a, b in combinations(sets, 2)])


def _pairwise_any(keys: np.ndarray) -> np.ndarray:
    first, second = np.triu_indices(keys.shape[1], 1)
    return (keys[:, first] == keys[:, second]).any(axis=0)


def _keys(num: int) -> np.ndarray:
    """Keys of one band, of which one in ten is there twice."""
    rng = np.random.default_rng(1)
    keys = rng.integers(1, 2**64, num, np.uint64)
    keys[: num // 10] = keys[num // 2 : num // 2 + num // 10]
    rng.shuffle(keys)
    return keys


def _find_filtered(keys: np.ndarray) -> Run:
    began = time.perf_counter()
    numbers, _ = number_repeated(keys)
    return Run(len(keys), time.perf_counter() - began, int((numbers >= 0).sum()))


def _find_sorted(keys: np.ndarray) -> Run:
    """The way without a filter, which holds all keys a second time."""
    began = time.perf_counter()
    ordered = np.sort(keys)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    places = np.minimum(np.searchsorted(repeated, keys), len(repeated) - 1)
    num_found = int((repeated[places] == keys).sum())
    return Run(len(keys), time.perf_counter() - began, num_found)


if __name__ == "__main__":
    main()
