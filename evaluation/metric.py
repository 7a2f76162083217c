"""A task's figures: formulas of sums over examples, so any part of a set has them too."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

Column = Callable[[pa.Table], np.ndarray]
"""A number of each example, (num_examples,), from their table (evaluation/examples.py)."""

NUM_RESAMPLES: Final = 1000
"""Sets drawn for a bootstrap interval: its ends are then known to some 3 % of its width."""

_RESAMPLES_AT_ONCE: Final = 50


def each(examples: pa.Table) -> np.ndarray:
    """One unit per example."""
    return np.ones(len(examples))


@dataclass(frozen=True)
class Metric:
    """One figure: a formula of the sums of some columns over all examples.

    The whole set, its clean part and any other part are measured by this one formula.
    """

    name: str
    description: str
    """What exactly is measured, in a few words."""
    sums: tuple[Column, ...]
    formula: Callable[[Sequence[float]], float]
    """Of the sums, homogeneous of degree 0: twice every example is the same figure. A sum of
    zero that it divides by may raise ZeroDivisionError: then there is no figure."""
    units: Column = each
    """What the figure is a mean over: examples, tokens, words."""

    def num_units(self, examples: pa.Table) -> float:
        """The sum of `units`: the weight of these examples when parts are put together."""
        return math.fsum(self.units(examples))

    def value(self, examples: pa.Table) -> float | None:
        """The figure; None without a unit. Exact sums: it is blind to the examples' order."""
        return self._of([math.fsum(column(examples)) for column in self.sums])

    def influence(self, examples: pa.Table) -> np.ndarray:
        """How far each example pulls the figure, to first order: (num_examples,), of sum 0.

        The formula's gradient at the sums, times the example's columns (Cochran 1977, "Sampling
        Techniques", section 6.3, does it for a ratio). As the formula is homogeneous of degree 0,
        the pulls of all examples sum to nothing (Euler).
        """
        amounts = [column(examples) for column in self.sums]
        totals = [math.fsum(amount) for amount in amounts]
        pulls = np.zeros(len(examples))
        value = self._of(totals)
        if value is None:
            return pulls
        for i, amount in enumerate(amounts):
            # A third of the digits of a float: where the error of a central difference is least.
            step = 1e-5 * (abs(totals[i]) or 1.0)
            above, below = ([*totals[:i], totals[i] + d, *totals[i + 1 :]] for d in (step, -step))
            pulls += amount * (self.formula(above) - self.formula(below)) / (2 * step)
        pulls[np.abs(pulls) < 1e-8 * abs(value) / len(pulls)] = 0  # the gradient's rounding
        return pulls

    def standard_error(self, examples: pa.Table) -> float | None:
        """How far the figure would move with other examples of the same kind, one sigma.

        Of a share of right answers it is the binomial one. None where the examples do not tell:
        fewer than two, or all alike (three right answers of three are no certainty).
        """
        return spread(self.influence(examples)) or None

    def interval(self, examples: pa.Table, seed: int = 0) -> tuple[float, float] | None:
        """The middle 95 % of what the figure is of sets drawn from these examples, with repeats.

        The percentile bootstrap (Efron 1979) of `NUM_RESAMPLES` sets, the same ones each time.
        None where the examples do not tell: fewer than two, or all alike.
        """
        if len(examples) < 2:
            return None
        amounts = np.stack([column(examples) for column in self.sums])  # (sums, examples)
        generator = np.random.default_rng(seed)
        shares = np.full(len(examples), 1 / len(examples))
        values: list[float] = []
        for _ in range(0, NUM_RESAMPLES, _RESAMPLES_AT_ONCE):
            counts = generator.multinomial(len(examples), shares, size=_RESAMPLES_AT_ONCE)
            found = (self._of(sums) for sums in (counts @ amounts.T).tolist())
            values += [value for value in found if value is not None]
        low, high = np.percentile(values, [2.5, 97.5]).tolist() if values else (0.0, 0.0)
        return (low, high) if low < high else None

    def _of(self, sums: Sequence[float]) -> float | None:
        try:
            return self.formula(sums)
        except ZeroDivisionError:
            return None
        except OverflowError:  # a perplexity above 1e308
            return math.inf


def ratio(name: str, description: str, amount: Column, units: Column = each) -> Metric:
    """The sum of `amount` over the sum of `units`."""
    return Metric(name, description, (amount, units), _quotient, units)


def exponential(name: str, description: str, amount: Column, units: Column = each) -> Metric:
    """E to the power of a ratio: a perplexity."""
    return Metric(name, description, (amount, units), _exponential_quotient, units)


def percent(name: str, description: str, of: str) -> Metric:
    """How many examples of 100 have the column `of`, a boolean."""
    truth = column(of)
    return ratio(name, description, lambda examples: 100 * truth(examples))


def spread(influence: np.ndarray) -> float:
    """The standard error of a figure from its influences; 0 if there are fewer than two."""
    num_examples = len(influence)
    if num_examples < 2:
        return 0.0
    return math.sqrt(float(influence @ influence) * num_examples / (num_examples - 1))


def column(name: str) -> Column:
    """One column of the examples as it is."""
    return lambda examples: examples[name].to_numpy().astype(np.float64)


def word_metrics() -> tuple[Metric, Metric]:
    """The figures of a text that was published as words: per word of that, and per token."""
    nats, words, tokens = column("nats"), column("num_units"), column("num_tokens")
    return (
        exponential("word_perplexity", "per original word with line ends", nats, words),
        exponential("token_perplexity", "per token of the model", nats, tokens),
    )


def _quotient(sums: Sequence[float]) -> float:
    amount, units = sums
    return amount / units


def _exponential_quotient(sums: Sequence[float]) -> float:
    return math.exp(_quotient(sums))
