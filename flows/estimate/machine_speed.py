"""How fast this machine is just now: about two seconds of what stages spend their time on.

A core's own speed is the best of several short tries; what neighbours leave us of it is told by
processes that do nothing but count for half a second.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from corpus.parallel import map_in_processes

_ROUNDS = 30
_WORDS = 40_000
_WIDTH = 768
_SPIN_S = 0.5


@dataclass(frozen=True)
class MachineSpeed:
    """Two rates, of what neighbours leave us."""

    words_per_s: float
    """Words counted in a dictionary by Python: what corpus stages are like."""
    flops: float
    """Floating-point operations a second in products of fp32 matrices, on all cores."""
    share: float = 1.0
    """How much of the cores we got; both rates are lower by it already."""


def measure_speed(workers: int) -> MachineSpeed:
    """Try both.

    Args:
        workers: Processes that stages are going to have.
    """
    import torch  # takes seconds, and whoever reads shipped rates needs none

    text = " ".join(f"word{number % 997}" for number in range(_WORDS))
    square = torch.rand(_WIDTH, _WIDTH)
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several would wait for one that a neighbour holds up
    flops = 2 * _WIDTH**3 / _fastest(lambda: square @ square) * num_threads
    torch.set_num_threads(num_threads)
    words_per_s = _WORDS / _fastest(lambda: _count_words(text))
    spinning = min(workers, os.cpu_count() or 1)
    shares = list(map_in_processes(_spin, range(spinning), spinning))
    share = sum(shares) / len(shares)
    return MachineSpeed(words_per_s * share, flops * share, share)


def _spin(_: int) -> float:
    """The share of a core that this process gets."""
    started, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - started < _SPIN_S:
        sum(range(10_000))
    return (time.process_time() - cpu) / (time.perf_counter() - started)


def _count_words(text: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for word in text.split(" "):
        counts[word.lower()] = counts.get(word.lower(), 0) + 1
    return counts


def _fastest(work: Callable[[], object]) -> float:
    work()
    seconds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
