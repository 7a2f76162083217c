"""The exact direction's inner loops: look hashes up, count documents, grow hits into runs."""

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def look_up_kernel(
    hashes: np.ndarray,
    entries: np.ndarray,
    buckets: np.ndarray,
    shift: np.uint64,
    found: np.ndarray,
) -> None:  # pragma: no cover
    """Write the entry of each hash, or -1, into `found`."""
    for k in range(len(hashes)):
        value = hashes[k]
        bucket = np.int64(value >> shift)
        found[k] = -1
        for entry in range(buckets[bucket], buckets[bucket + 1]):
            if entries[entry] == value:
                found[k] = entry
                break


@njit(nogil=True, cache=True)
def count_kernel(
    found: np.ndarray, ngram_offsets: np.ndarray, counts: np.ndarray, last: np.ndarray
) -> None:  # pragma: no cover
    """Add the number of documents that hold each entry to `counts`; `last` begins as -1."""
    for document in range(len(ngram_offsets) - 1):
        for k in range(ngram_offsets[document], ngram_offsets[document + 1]):
            entry = found[k]
            if entry >= 0 and last[entry] != document:
                last[entry] = document
                counts[entry] += 1


@njit(nogil=True, cache=True)
def align_kernel(
    words: np.ndarray,
    offsets: np.ndarray,
    ngram_offsets: np.ndarray,
    found: np.ndarray,
    item_words: np.ndarray,
    text_starts: np.ndarray,
    text_at: np.ndarray,
    postings: np.ndarray,
    starts: np.ndarray,
    n: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:  # pragma: no cover
    """Four arrays: document, first word in it, first word in the index, words of each run."""
    runs = np.empty((4, 256), np.int64)
    num_runs = 0
    # Up to which n-gram of the documents, counted over all, a run covers each text.
    covered = np.zeros(len(text_starts) - 1, np.int64)
    for document in range(len(offsets) - 1):
        begin, end = np.int64(offsets[document]), np.int64(offsets[document + 1])
        for k in range(ngram_offsets[document], ngram_offsets[document + 1]):
            if found[k] < 0:
                continue
            here = begin + k - ngram_offsets[document]
            posting, last = np.int64(starts[found[k]]), np.int64(starts[found[k] + 1])
            while posting < last:
                text = text_at[postings[posting]]
                best, length = np.int64(-1), np.int64(0)
                if covered[text] <= k:
                    best, length = _longest(
                        words, here, end, item_words, postings, posting, last, text_at, text_starts
                    )
                # Shorter than an n-gram: another n-gram with the same hash.
                if length >= n:
                    covered[text] = k + length - n + 1
                    back = _agreeing_before(
                        words, here, begin, item_words, best, np.int64(text_starts[text])
                    )
                    if num_runs == runs.shape[1]:
                        more = np.empty((4, 2 * num_runs), np.int64)
                        more[:, :num_runs] = runs
                        runs = more
                    runs[0, num_runs] = document
                    runs[1, num_runs] = here - back - begin
                    runs[2, num_runs] = best - back
                    runs[3, num_runs] = length + back
                    num_runs += 1
                while posting < last and text_at[postings[posting]] == text:
                    posting += 1
    return runs[0, :num_runs], runs[1, :num_runs], runs[2, :num_runs], runs[3, :num_runs]


@njit(nogil=True, cache=True)
def _longest(
    words: np.ndarray,
    here: np.int64,
    end: np.int64,
    item_words: np.ndarray,
    postings: np.ndarray,
    posting: np.int64,
    last: np.int64,
    text_at: np.ndarray,
    text_starts: np.ndarray,
) -> tuple[np.int64, np.int64]:  # pragma: no cover
    """Of the places of an n-gram in one text, where most words agree, and how many."""
    text = text_at[postings[posting]]
    text_end = text_starts[text + 1]
    best, longest = np.int64(-1), np.int64(0)
    while posting < last and text_at[postings[posting]] == text:
        place = postings[posting]
        length = 0
        while (
            here + length < end
            and place + length < text_end
            and words[here + length] == item_words[place + length]
        ):
            length += 1
        if length > longest:
            best, longest = place, np.int64(length)
        posting += 1
    return best, longest


@njit(nogil=True, cache=True)
def _agreeing_before(
    words: np.ndarray,
    here: np.int64,
    begin: np.int64,
    item_words: np.ndarray,
    place: np.int64,
    text_start: np.int64,
) -> np.int64:  # pragma: no cover
    """How many words before `here` and `place` agree."""
    back = np.int64(0)
    while (
        here - back > begin
        and place - back > text_start
        and words[here - back - 1] == item_words[place - back - 1]
    ):
        back += 1
    return back
