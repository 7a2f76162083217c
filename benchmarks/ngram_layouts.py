"""Ways to lay out a Bloom filter of error rate 1e-8: speed on one core, and bytes per key.

    python -m benchmarks.ngram_layouts [--quick]

The filter is ours with parts of several sizes, up to one part for all, which is the plain filter,
against one whose bits of a key all lie in one cache line, as large as that needs to be.
"""

import json
import math
import time
from collections.abc import Callable
from unittest import mock

import numpy as np
from numba import njit

from benchmarks.side_by_side import parse_arguments
from dedup import filter_layout
from dedup.filter_kernels import mix
from dedup.ngram_filter import NgramFilter

_NUM_KEYS, _NUM_KEYS_QUICK = 20_000_000, 4_000_000
_NUM_LOOKUPS = 4_000_000
_PROBES, _PROBES_QUICK = 300_000_000, 20_000_000
_ERROR_RATE = 1e-8
_LINE_BITS = 512
_PART_KIB = (32, 128, 256, 512)


class BlockedFilter:
    """All bits of a key in one line of 512."""

    def __init__(self, capacity: int) -> None:
        bits_per_key, num_bits = _blocked_sizing()
        num_lines = math.ceil(capacity * bits_per_key / _LINE_BITS)
        self._lines = np.zeros((num_lines, _LINE_BITS // 64), np.uint64)
        odd = np.random.default_rng(1).integers(0, 2**63, num_bits, dtype=np.uint64)
        self._constants = odd * np.uint64(2) + np.uint64(1)
        self.num_bytes = self._lines.nbytes

    def add(self, keys: np.ndarray) -> None:
        """Add keys."""
        _blocked_insert(keys, self._lines, self._constants)

    def contains(self, keys: np.ndarray) -> np.ndarray:
        """Whether it has each of some keys."""
        found = np.empty(len(keys), np.bool_)
        _blocked_find(keys, self._lines, self._constants, found)
        return found


def main() -> None:
    """Measure, and print a table and the closing line."""
    is_quick = parse_arguments(__doc__).quick
    rng = np.random.default_rng(2)
    keys = rng.integers(0, 2**64, _NUM_KEYS_QUICK if is_quick else _NUM_KEYS, dtype=np.uint64)
    makers: dict[str, Callable[[int], NgramFilter | BlockedFilter]] = {
        "plain": lambda capacity: _ours(capacity, 1 << 40),
        "blocked": BlockedFilter,
    }
    for kib in _PART_KIB:
        makers[f"parts of {kib} KiB"] = lambda capacity, kib=kib: _ours(capacity, kib << 10)
    rows = {}
    for name, make in makers.items():
        make(1000).add(keys[:1000])
        num_probes = _PROBES_QUICK if is_quick else _PROBES
        rows[name] = _measure(make, keys, num_probes)
        print(f"{name:18}", rows[name], flush=True)
    print(json.dumps({"name": "ngram_layouts", "num_keys": len(keys), "layouts": rows}))


def _ours(capacity: int, part_bytes: int) -> NgramFilter:
    with mock.patch.object(filter_layout, "_MAX_PART_BYTES", part_bytes):
        return NgramFilter(capacity, _ERROR_RATE, n=8)


def _measure(
    make: Callable[[int], NgramFilter | BlockedFilter], keys: np.ndarray, num_probes: int
) -> dict[str, float]:
    rng = np.random.default_rng(3)
    filter_ = make(len(keys))
    started = time.process_time()
    filter_.add(keys)
    filter_.contains(keys[:1])
    insert_s = time.process_time() - started
    present = rng.choice(keys, _NUM_LOOKUPS)
    started = time.process_time()
    filter_.contains(present)
    present_s = time.process_time() - started
    num_found, absent_s = 0, 0.0
    for _ in range(num_probes // _NUM_LOOKUPS):
        absent = rng.integers(0, 2**64, _NUM_LOOKUPS, dtype=np.uint64)
        started = time.process_time()
        num_found += int(filter_.contains(absent).sum())
        absent_s += time.process_time() - started
    return {
        "m_inserts_per_s": round(len(keys) / insert_s / 1e6, 1),
        "m_present_per_s": round(_NUM_LOOKUPS / present_s / 1e6, 1),
        "m_absent_per_s": round(num_probes / absent_s / 1e6, 1),
        "bytes_per_key": round(filter_.num_bytes / len(keys), 2),
        "measured_error_rate": num_found / num_probes,
    }


def _blocked_sizing() -> tuple[int, int]:
    """The least bits per key, and bits that a key sets, that give the error rate."""
    for bits_per_key in range(40, 200):
        for num_bits in range(8, 32):
            if _blocked_error_rate(_LINE_BITS / bits_per_key, num_bits) <= _ERROR_RATE:
                return bits_per_key, num_bits
    raise ValueError("no size gives the error rate")


def _blocked_error_rate(keys_per_line: float, num_bits: int) -> float:
    """Over the Poisson spread of keys among lines (Putze, Sanders and Singler 2007)."""
    rate, chance = 0.0, math.exp(-keys_per_line)
    for num_keys in range(1, 100):
        chance *= keys_per_line / num_keys
        rate += chance * (1 - (1 - 1 / _LINE_BITS) ** (num_keys * num_bits)) ** num_bits
    return rate


@njit(nogil=True, cache=True)
def _blocked_insert(
    keys: np.ndarray, lines: np.ndarray, constants: np.ndarray
) -> None:  # pragma: no cover
    num_lines = np.uint64(len(lines))
    for at in range(len(keys)):
        key = mix(keys[at])
        line = lines[np.int64((key >> np.uint64(32)) * num_lines >> np.uint64(32))]
        for constant in constants:
            bit = key * constant >> np.uint64(55)
            line[np.int64(bit >> np.uint64(6))] |= np.uint64(1) << (bit & np.uint64(63))


@njit(nogil=True, cache=True)
def _blocked_find(
    keys: np.ndarray, lines: np.ndarray, constants: np.ndarray, found: np.ndarray
) -> None:  # pragma: no cover
    num_lines = np.uint64(len(lines))
    for at in range(len(keys)):
        key = mix(keys[at])
        line = lines[np.int64((key >> np.uint64(32)) * num_lines >> np.uint64(32))]
        is_set = np.uint64(1)
        for constant in constants:
            bit = key * constant >> np.uint64(55)
            is_set &= line[np.int64(bit >> np.uint64(6))] >> (bit & np.uint64(63))
        found[at] = is_set & np.uint64(1) != 0


if __name__ == "__main__":
    main()
