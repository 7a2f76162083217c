"""Runs ours and its peers in turn on the same data, and prints how they compare.

A shared machine's speed drifts by half while one looks: so the contenders alternate, and a ratio
is the median of the ratios of the rounds, never one of two figures taken at different times.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """One contender's turn."""

    amount: float
    """Units of work done: lines, pages."""
    seconds: float
    """What it took: wall-clock or CPU seconds, the same for all contenders."""
    result: object = None
    """What was computed, or a hash of it: equal for all contenders, or the comparison is void."""

    @property
    def rate(self) -> float:
        """Units per second."""
        return self.amount / self.seconds


Rounds = list[dict[str, Run]]


def alternate(contenders: Mapping[str, Callable[[], Run]], rounds: int) -> Rounds:
    """Give each contender a turn per round, in turning order.

    Raises:
        ValueError: two contenders computed different results.
    """
    done: Rounds = []
    names = list(contenders)
    for number in range(rounds):
        order = names if number % 2 == 0 else names[::-1]
        runs = {name: contenders[name]() for name in order}
        if len({repr(run.result) for run in runs.values()}) > 1:
            results = {name: run.result for name, run in runs.items()}
            raise ValueError(f"the contenders computed different things: {results}")
        done.append(runs)
    return done


def median_ratio(rounds: Rounds, ours: str, peer: str) -> float:
    """The median over the rounds of our rate by the peer's: above 1, ours is faster."""
    return statistics.median(runs[ours].rate / runs[peer].rate for runs in rounds)


def median_rate(rounds: Rounds, name: str) -> float:
    """The median over the rounds of one contender's units per second."""
    return statistics.median(runs[name].rate for runs in rounds)


def print_result(
    name: str, ratios: Mapping[str, float], figures: Mapping[str, int | float | str]
) -> None:
    """Print the closing line: one JSON object."""
    shown = {key: round(ratio, 3) for key, ratio in ratios.items()}
    print(json.dumps({"name": name, "ratios": shown, **_rounded(figures)}))


def parse_arguments(description: str | None) -> argparse.Namespace:
    """The options that every benchmark has: `quick`, which ends within 45 s on two cores."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="less data and fewer rounds: 45 s")
    return parser.parse_args()


def _rounded(figures: Mapping[str, int | float | str]) -> dict[str, int | float | str]:
    return {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in figures.items()}
