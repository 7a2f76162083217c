"""Judges documents one after the other: was this text, or most of it, seen before?"""

from typing import Final

import numpy as np
from pybloom_live import BloomFilter

from dedup.fingerprints import Fingerprint

EXACT_DUPLICATE: Final = "exact_duplicate"
NEAR_DUPLICATE: Final = "near_duplicate"

# Fewer sampled n-grams than this are no evidence: one shared sentence, or one false positive of
# the filter, would be the whole document. With four, all four must hit: 1e-12 at 1e-3 each.
# Four sampled 8-grams are about 40 words; shorter documents are compared as a whole only.
MIN_SAMPLED_NGRAMS: Final = 4

# At its very capacity a filter's measured rate scatters around the promised one; 5 % of spare
# room, and a thousand n-grams for the small ones, keep it below.
_SPARE_SHARE: Final = 0.05
_SPARE_NGRAMS: Final = 1000


def filter_capacity(num_ngrams: int) -> int:
    """How many n-grams to make room for when `num_ngrams` may be added.

    pybloom raises IndexError past its capacity; this is never 0, which it refuses too.
    """
    return num_ngrams + int(num_ngrams * _SPARE_SHARE) + _SPARE_NGRAMS


class SeenTexts:
    """The texts of the documents that were kept so far.

    Memory: 1.8 bytes per n-gram at an error rate of 1e-3, and some 200 bytes per text that
    occurs more than once.

    Args:
        num_ngrams: Upper bound of the n-grams that all documents together may add.
        error_rate: The filter's false positive rate per n-gram.
        near_threshold: Share of a document's sampled n-grams, seen before, at which it is a
            near-duplicate.
        repeated: First eight bytes (uint64, ascending) of the hashes of the texts that occur
            more than once; only those need a name for their survivor.
    """

    def __init__(
        self, num_ngrams: int, error_rate: float, near_threshold: float, repeated: np.ndarray
    ) -> None:
        self.near_threshold = near_threshold
        self._ngrams = BloomFilter(filter_capacity(num_ngrams), error_rate)
        self._repeated = set(repeated.tolist())
        self._survivors: dict[bytes, str] = {}

    def judge(self, document: Fingerprint) -> tuple[str, str] | None:
        """Why to drop `document` (reason, detail), or None: it is kept and remembered.

        The detail of an exact duplicate is its survivor's id, that of a near-duplicate the share.
        """
        survivor = self._survivors.get(document.text_hash)
        if survivor is not None:
            return EXACT_DUPLICATE, survivor
        ngrams = document.ngrams.tolist()
        share = self._share_seen(ngrams)
        if share >= self.near_threshold:
            return NEAR_DUPLICATE, f"{share:.3f}"
        self._remember(document, ngrams)
        return None

    def _share_seen(self, ngrams: list[int]) -> float:
        if len(ngrams) < MIN_SAMPLED_NGRAMS:
            return 0.0
        return sum(ngram in self._ngrams for ngram in ngrams) / len(ngrams)

    def _remember(self, document: Fingerprint, ngrams: list[int]) -> None:
        # Only what is kept is remembered: else a chain of dropped documents, each a little
        # different, would drop a document that shares little with any that was kept.
        for ngram in ngrams:
            self._ngrams.add(ngram)
        if int.from_bytes(document.text_hash[:8], "little") in self._repeated:
            self._survivors[document.text_hash] = document.id


def repeated_values(values: np.ndarray) -> np.ndarray:
    """The values that occur more than once, ascending."""
    ordered = np.sort(values)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
