"""Filters for tests, and what lies in their files."""

import io
from pathlib import Path

import numpy as np
from pybloom_live import BloomFilter

from dedup.filter_layout import read_header
from dedup.ngram_filter import NgramFilter

_UNUSED_BYTES, _HEADER_BYTES = 24, 40


def random_keys(num_keys: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**64, num_keys, dtype=np.uint64)


def filled(keys: np.ndarray, capacity: int | None = None, threads: int = 1, **rate) -> NgramFilter:
    filter_ = NgramFilter(len(keys) if capacity is None else capacity, n=8, **rate)
    filter_.add(keys, threads)
    return filter_


def saved_bytes(filter_: NgramFilter, folder: Path) -> bytes:
    filter_.save(folder / "saved.bloom")
    return (folder / "saved.bloom").read_bytes()


def saved_parts(path: Path) -> list[BloomFilter]:
    """Each part as pybloom-live opens it."""
    layout, _, _ = read_header(path)
    num_bytes = _HEADER_BYTES + (layout.num_slices * layout.bits_per_slice + 7) // 8
    return [
        BloomFilter.fromfile(io.BytesIO(part.tobytes()[_UNUSED_BYTES:][:num_bytes]))
        for part in layout.parts(np.fromfile(path, np.uint64))
    ]


def part_bits(filter_: NgramFilter, folder: Path) -> list[bytes]:
    filter_.save(folder / "bits.bloom")
    return [part.bitarray.tobytes() for part in saved_parts(folder / "bits.bloom")]
