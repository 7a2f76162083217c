"""How large an n-gram filter is, how it lies in memory and in its file, and what its file says.

A header of 1 KiB, then parts of equal size. A part is 24 unused bytes and then exactly what
pybloom-live writes for one of its filters: its header of 40 bytes, and its bits, which so begin at
a multiple of 64 bytes.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from pybloom_live import BloomFilter

from corpus.errors import WebtextError
from dedup.filter_kernels import COUNT_WORD, FIRST_BIT
from dedup.words import SCHEME

_FORMAT: Final = 1
_MAGIC: Final = b"webtext n-gram filter\n"
_HEADER_BYTES: Final = 1024
_MIN_ERROR_RATE, _MAX_ERROR_RATE = 1e-12, 0.01
_SEED: Final = 0x5DEECE66D

# Half a megabyte of second-level cache is the least of today's servers, and a part of half of it
# leaves room for the keys that stream by.
_MAX_PART_BYTES: Final = 256 * 1024

# Parts get unequal numbers of keys. Six standard deviations of room: of a million parts, one in a
# thousand filters has one that is over.
_SIGMAS: Final = 6


@dataclass(frozen=True)
class FilterLayout:
    """The numbers that fix where a key's bits lie; equal layouts, comparable bits."""

    n: int
    """Words per n-gram."""
    capacity: int
    """Distinct keys up to which the error rate holds."""
    error_rate: float
    """Share of absent keys that may be answered with yes."""
    num_parts: int
    """A power of two."""
    part_capacity: int
    """Capacity that pybloom-live is asked for, for each part."""
    num_slices: int
    """Bits of a key."""
    bits_per_slice: int
    """Bits of a part that the i-th bit of a key is one of."""

    @classmethod
    def plan(cls, n: int, capacity: int, error_rate: float) -> Self:
        """Size a filter.

        Raises:
            ValueError: a value that no filter can have.
        """
        if n < 1:
            raise ValueError(f"n must be positive, got {n}")
        if capacity < 0:
            raise ValueError(f"capacity must not be negative, got {capacity}")
        if not _MIN_ERROR_RATE <= error_rate <= _MAX_ERROR_RATE:
            raise ValueError(
                f"error_rate must be from {_MIN_ERROR_RATE} to {_MAX_ERROR_RATE}, got {error_rate}"
            )
        num_parts = 1
        while True:
            part = _plan_part(capacity, num_parts, error_rate)
            if part.num_bits <= 8 * _MAX_PART_BYTES:
                break
            num_parts *= 2
        return cls(
            n, capacity, error_rate, num_parts, part.capacity, part.num_slices, part.bits_per_slice
        )

    @property
    def part_bits(self) -> int:
        """How many of a key's top bits say which part it is in."""
        return self.num_parts.bit_length() - 1

    @property
    def part_words(self) -> int:
        """64-bit words from one part to the next."""
        return -(-(FIRST_BIT + self.num_slices * self.bits_per_slice) // 512) * 8

    @property
    def num_bytes(self) -> int:
        """Size of the filter in memory and in its file."""
        return _HEADER_BYTES + 8 * self.part_words * self.num_parts

    @property
    def constants(self) -> np.ndarray:
        """The odd multiplier of each slice: splitmix64's sequence from a fixed seed."""
        numbers = np.arange(1, self.num_slices + 1, dtype=np.uint64)
        values = np.uint64(_SEED) + numbers * np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ values >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ values >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        return (values ^ values >> np.uint64(31)) | np.uint64(1)

    def empty(self) -> np.ndarray:
        """The memory of a filter without keys, uint64 of shape (num_bytes / 8,).

        The system hands out its pages as they are touched: to ask for too much costs nothing yet.
        """
        return np.zeros(self.num_bytes // 8, np.uint64)

    def parts(self, memory: np.ndarray) -> np.ndarray:
        """The parts in `memory`, uint64 of shape (num_parts, part_words), uncopied."""
        return memory[_HEADER_BYTES // 8 :].reshape(self.num_parts, self.part_words)

    def header(self, num_added: int, expected_error_rate: float) -> np.ndarray:
        """The first words of the file, uint64."""
        fields = {
            "format": _FORMAT,
            "scheme": SCHEME,
            "seed": _SEED,
            **asdict(self),
            "num_added": num_added,
            "expected_error_rate": expected_error_rate,
        }
        text = json.dumps(fields).encode()
        header = _MAGIC + text + b"\n" + _checksum(text)
        return np.frombuffer(header.ljust(_HEADER_BYTES, b"\n"), np.uint64)

    def label_parts(self, memory: np.ndarray) -> None:
        """Give each part pybloom-live's header, but for the count, which is there already."""
        # "<dQQQQ": the last 5 of the 8 words before the bits.
        parts = self.parts(memory)
        parts[:, COUNT_WORD - 4] = np.float64(self.error_rate).view(np.uint64)
        numbers = self.num_slices, self.bits_per_slice, self.part_capacity
        parts[:, COUNT_WORD - 3 : COUNT_WORD] = numbers


def _plan_part(capacity: int, num_parts: int, error_rate: float) -> BloomFilter:
    keys = max(capacity, 1) / num_parts
    if num_parts > 1:
        keys += _SIGMAS * math.sqrt(keys)
    # pybloom-live rounds the number of slices up and leaves the bits as they are, so that at
    # capacity its rate is over the one asked for (by 0.1 % at 1e-8): ask for so many more keys
    # that it is not. A slice of m bits is filled to 1 - exp(-keys / m).
    num_slices = math.ceil(math.log2(1 / error_rate))
    bits_per_slice = math.ceil(-keys / math.log1p(-(error_rate ** (1 / num_slices))))
    asked = bits_per_slice * num_slices * math.log(2) ** 2 / -math.log(error_rate)
    return BloomFilter(math.ceil(asked), error_rate)


def read_header(path: Path) -> tuple[FilterLayout, int, float]:
    """The layout of the filter in a file, how many keys it has, and its expected error rate.

    Raises:
        WebtextError: the file is no filter, is damaged, or holds hashes of another scheme.
    """
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    if not header.startswith(_MAGIC):
        raise _refused(path, "is no n-gram filter")
    text, checksum, *_ = *header[len(_MAGIC) :].split(b"\n"), b""
    if checksum != _checksum(text):
        raise _refused(path, "is damaged: its header does not match its checksum")
    fields = json.loads(text)
    ours = {"format": _FORMAT, "scheme": SCHEME, "seed": _SEED}
    for key, value in ours.items():
        if (found := fields.pop(key, None)) != value:
            raise _refused(path, f"has {key} {found!r}, this program {value!r}")
    num_added, expected = fields.pop("num_added"), fields.pop("expected_error_rate")
    layout = FilterLayout(**fields)
    if (size := path.stat().st_size) != layout.num_bytes:
        raise _refused(path, f"is damaged: it has {size} bytes, not {layout.num_bytes}")
    return layout, num_added, expected


def _checksum(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()


def _refused(path: Path, reason: str) -> WebtextError:
    return WebtextError(
        f"{path} {reason}", hint="Delete it and run the command that built it again."
    )
