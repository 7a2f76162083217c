"""The straight line through sizes and perplexities, both as logarithms: a power law."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FORMULA = "log(perplexity) = intercept + slope · log(parameters), natural logarithms, least squares"


@dataclass(frozen=True)
class PowerLaw:
    """perplexity = exp(intercept) · parameters ** slope."""

    slope: float
    """Below zero where larger models are better: ten times the parameters, 10 ** slope times the
    perplexity."""
    intercept: float
    r_squared: float
    """1 - residual / total sum of squares of log(perplexity); 1: the points lie on the line."""

    def perplexity(self, num_parameters: float) -> float:
        """What the line says of a size."""
        return float(np.exp(self.intercept + self.slope * np.log(num_parameters)))


def fit_power_law(num_parameters: Sequence[int], perplexities: Sequence[float]) -> PowerLaw:
    """Fit log(perplexity) against log(parameters): FORMULA.

    Raises:
        ValueError: fewer than two different sizes.
    """
    if len(set(num_parameters)) < 2:
        raise ValueError(f"a line takes two different sizes, got {sorted(set(num_parameters))}")
    x, y = np.log(np.array(num_parameters, float)), np.log(np.array(perplexities, float))
    dx, dy = x - x.mean(), y - y.mean()
    slope = float(dx @ dy / (dx @ dx))
    residual, total = float(np.square(dy - slope * dx).sum()), float(dy @ dy)
    return PowerLaw(
        slope=slope,
        intercept=float(y.mean() - slope * x.mean()),
        # Where all perplexities are the same, the flat line goes through all of them.
        r_squared=1 - residual / total if total else 1.0,
    )
