"""How fast this machine is just now: about a second of what stages spend their time on."""

import time
from collections.abc import Callable
from dataclasses import dataclass

_ROUNDS = 30
_WORDS = 40_000
_WIDTH = 768


@dataclass(frozen=True)
class MachineSpeed:
    """Two rates; of several short tries the best counts, so that a neighbour's burst does not."""

    words_per_s: float
    """Words counted in a dictionary by Python: what corpus stages are like."""
    flops: float
    """Floating-point operations a second in products of fp32 matrices, on all cores."""


def measure_speed() -> MachineSpeed:
    """Try both."""
    import torch  # takes seconds, and whoever reads shipped rates needs none

    text = " ".join(f"word{number % 997}" for number in range(_WORDS))
    square = torch.rand(_WIDTH, _WIDTH)
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several would wait for one that a neighbour holds up
    per_core = 2 * _WIDTH**3 / _fastest(lambda: square @ square)
    torch.set_num_threads(num_threads)
    return MachineSpeed(_WORDS / _fastest(lambda: _count_words(text)), per_core * num_threads)


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
