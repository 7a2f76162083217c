"""A task's figures: ratios of two sums over examples, so any part of a set has them too."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

Column = Callable[[pa.Table], np.ndarray]
"""A number of each example, (num_examples,), from their table (evaluation/examples.py)."""


@dataclass(frozen=True)
class Metric:
    """One figure: the sum of `amount` over the sum of `units`, or e to the power of it.

    The whole set, its clean part and any other part are measured by this one formula.
    """

    name: str
    protocol: str
    """What exactly is measured; `{stride}` stands for the tokens that a window scores."""
    amount: Column
    units: Column
    is_exponential: bool = False

    def num_units(self, examples: pa.Table) -> float:
        """The sum of `units`: the weight of these examples when parts are put together."""
        return math.fsum(self.units(examples))

    def value(self, examples: pa.Table) -> float | None:
        """The figure; None without a unit. Exact sums: it is blind to the examples' order."""
        num_units = self.num_units(examples)
        if not num_units:
            return None
        ratio = math.fsum(self.amount(examples)) / num_units
        return math.exp(ratio) if self.is_exponential else ratio

    def influence(self, examples: pa.Table) -> np.ndarray:
        """How far each example pulls the figure, to first order: (num_examples,), of sum 0.

        A ratio R = A / B changes by (a - R b) / B with an example of a and b (Cochran 1977,
        "Sampling Techniques", section 6.3), its exponential by e^R times that.
        """
        value, num_units = self.value(examples), self.num_units(examples)
        if value is None:
            return np.zeros(len(examples))
        amount, units = self.amount(examples), self.units(examples)
        ratio = math.fsum(amount) / num_units
        slope = value if self.is_exponential else 1.0
        return slope * (amount - ratio * units) / num_units

    def standard_error(self, examples: pa.Table) -> float | None:
        """How far the figure would move with other examples of the same kind, one sigma.

        Of a share of right answers it is the binomial one. None where the examples do not tell:
        fewer than two, or all alike (three right answers of three are no certainty).
        """
        return spread(self.influence(examples)) or None


def spread(influence: np.ndarray) -> float:
    """The standard error of a figure from its influences; 0 if there are fewer than two."""
    num_examples = len(influence)
    if num_examples < 2:
        return 0.0
    return math.sqrt(float(influence @ influence) * num_examples / (num_examples - 1))


def column(name: str) -> Column:
    """One column of the examples as it is."""
    return lambda examples: examples[name].to_numpy().astype(np.float64)


def each(examples: pa.Table) -> np.ndarray:
    """One unit per example."""
    return np.ones(len(examples))


def word_metrics(protocol: str) -> tuple[Metric, Metric]:
    """The figures of a text that was published as words: per word of that, and per token."""
    per_word, per_token = "per original word with line ends", "per token of the model"
    nats, words, tokens = column("nats"), column("num_units"), column("num_tokens")
    return (
        Metric("word_perplexity", f"{per_word}, {protocol}", nats, words, is_exponential=True),
        Metric("token_perplexity", f"{per_token}, {protocol}", nats, tokens, is_exponential=True),
    )
