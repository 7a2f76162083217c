"""Filling a Bloom filter with the 8-grams of real text: ours against pybloom-live and rbloom.

    python -m benchmarks.ngrams [--quick]

All three get the same text at the error rate 1e-8, with a filter of the same capacity, on one core.
Ours starts from UTF-8; the others start from the finished 8-grams as strings. They are so slow that
they get fewer of them; ratios are of 8-grams per CPU second.

The text is real where it is at hand: articles and Wikipedia, many times over, with a word of the
repetition's own after every seven of them, so that no two 8-grams are alike.
"""

import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import rbloom
import xxhash
from pybloom_live import BloomFilter

from benchmarks.real_text import distinct_texts
from benchmarks.side_by_side import (
    Run,
    alternate,
    median_rate,
    median_ratio,
    parse_arguments,
    print_result,
)
from dedup.ngram_filter import NgramFilter
from dedup.ngrams import scan_ngrams

_N = 8
_ERROR_RATE = 1e-8
_NUM_BYTES, _NUM_BYTES_QUICK = 48_000_000, 12_000_000
_ROUNDS, _ROUNDS_QUICK = 5, 3
# A turn takes half a second on the clock, so that a neighbour on the machine decides one.
_THREAD_ROUNDS = 15
_PYBLOOM_NGRAMS, _RBLOOM_NGRAMS = 40_000, 400_000
_PROBES, _PROBES_QUICK = 400_000_000, 60_000_000
_PROBED_KEYS = 1_000_000
_PROBES_AT_ONCE = 2_000_000

Clock = Callable[[], float]


def main() -> None:
    """Measure, and print the result."""
    is_quick = parse_arguments(__doc__).quick
    texts = distinct_texts(_NUM_BYTES_QUICK if is_quick else _NUM_BYTES, _N)
    hashes = scan_ngrams(texts, _N).hashes
    capacity = len(np.unique(hashes))
    strings = list(_ngram_strings(texts))
    contenders = {
        "ours": lambda: _fill(texts, hashes, capacity, 1, time.process_time),
        "pybloom_live": lambda: _fill_pybloom(strings[:_PYBLOOM_NGRAMS], capacity),
        "rbloom": lambda: _fill_rbloom(strings, capacity),
    }
    num_rounds = _ROUNDS_QUICK if is_quick else _ROUNDS
    # Kernels are loaded, or compiled, before the clock runs.
    _fill(texts, hashes, capacity, 2, time.perf_counter)
    rounds = alternate(contenders, num_rounds)
    in_threads = alternate(
        {
            "1": lambda: _fill(texts, hashes, capacity, 1, time.perf_counter),
            "2": lambda: _fill(texts, hashes, capacity, 2, time.perf_counter),
        },
        _THREAD_ROUNDS,
    )
    print_result(
        "ngrams",
        {
            "pybloom_live": median_ratio(rounds, "ours", "pybloom_live"),
            "rbloom": median_ratio(rounds, "ours", "rbloom"),
            "threads_2": median_ratio(in_threads, "2", "1"),
        },
        {
            "num_ngrams": len(hashes),
            "distinct": capacity / len(hashes),
            **{f"{name}_ngrams_per_s": median_rate(rounds, name) for name in contenders},
            "text_mb_per_s": median_rate(rounds, "ours") * texts.nbytes / len(hashes) / 1e6,
            "scan_ngrams_per_s": _scan_rate(texts, num_rounds),
            **_probe(_PROBES_QUICK if is_quick else _PROBES),
        },
    )


def _fill(texts: pa.Array, hashes: np.ndarray, capacity: int, threads: int, clock: Clock) -> Run:
    started = clock()
    filter_ = NgramFilter(capacity, _ERROR_RATE, n=_N)
    filter_.add_texts(texts, threads)
    # What waits to be inserted is inserted by the first question.
    num_added = filter_.num_added
    seconds = clock() - started
    is_right = abs(num_added - capacity) < 10 and filter_.contains(hashes[:100_000]).all()
    return Run(len(hashes), seconds, bool(is_right))


def _fill_pybloom(strings: list[str], capacity: int) -> Run:
    peer = BloomFilter(capacity, _ERROR_RATE)
    started = time.process_time()
    for string in strings:
        peer.add(string)
    seconds = time.process_time() - started
    return Run(len(strings), seconds, all(string in peer for string in strings[:100]))


def _fill_rbloom(strings: list[str], capacity: int) -> Run:
    peer = rbloom.Bloom(capacity, _ERROR_RATE, _xxh3)
    started = time.process_time()
    for string in strings:
        peer.add(string)
    seconds = time.process_time() - started
    return Run(len(strings), seconds, all(string in peer for string in strings[:100]))


def _xxh3(string: str) -> int:
    # rbloom wants a signed number of 128 bits.
    return xxhash.xxh3_128_intdigest(string.encode()) - (1 << 127)


def _scan_rate(texts: pa.Array, num_rounds: int) -> float:
    rates = []
    for _ in range(num_rounds):
        started = time.process_time()
        num_ngrams = len(scan_ngrams(texts, _N).hashes)
        rates.append(num_ngrams / (time.process_time() - started))
    return statistics.median(rates)


def _probe(num_probes: int) -> dict[str, float]:
    """Fill a filter to its capacity, and ask it for keys it has and for others."""
    rng = np.random.default_rng(1)
    filter_ = NgramFilter(_PROBED_KEYS, _ERROR_RATE, n=_N)
    keys = rng.integers(0, 2**64, _PROBED_KEYS, dtype=np.uint64)
    filter_.add(keys)
    expected_error_rate = filter_.expected_error_rate
    started = time.process_time()
    if not filter_.contains(keys).all():
        raise ValueError("the filter has forgotten a key")
    present_s = time.process_time() - started
    num_found, absent_s = 0, 0.0
    for _ in range(num_probes // _PROBES_AT_ONCE):
        # A random key is one of a million with a chance of 1 in 18 million million.
        probes = rng.integers(0, 2**64, _PROBES_AT_ONCE, dtype=np.uint64)
        started = time.process_time()
        num_found += int(filter_.contains(probes).sum())
        absent_s += time.process_time() - started
    return {
        "bytes_per_key": filter_.num_bytes / _PROBED_KEYS,
        "num_probes": num_probes,
        "measured_error_rate": num_found / num_probes,
        "expected_error_rate": expected_error_rate,
        "present_lookups_per_s": _PROBED_KEYS / present_s,
        "absent_lookups_per_s": num_probes / absent_s,
    }


def _ngram_strings(texts: pa.Array) -> Iterator[str]:
    """The first 8-grams as the peers get them: normalised, joined by spaces."""
    num_done = 0
    for text in texts.to_pylist():
        words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
        for at in range(len(words) - _N + 1):
            yield " ".join(words[at : at + _N])
            num_done += 1
            if num_done == _RBLOOM_NGRAMS:
                return


if __name__ == "__main__":
    main()
