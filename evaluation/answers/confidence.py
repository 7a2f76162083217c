"""Whether a model knows what it knows: its confidence in answers against their being right."""

from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

_MOST_CONFIDENT: Final = 0.01


class Bin(NamedTuple):
    """Answers of like confidence: a point of the calibration curve."""

    confidence: float
    """Their mean."""
    accuracy: float
    """How many of 1 are right; of a calibrated model as many as the confidence says."""
    num_answers: int


class ConfidentAnswer(NamedTuple):
    """A line of the paper's table 5."""

    question: str
    answer: str
    is_correct: bool
    confidence: float


def calibration(examples: pa.Table, num_bins: int = 10) -> list[Bin]:
    """The calibration curve, in bins of equal width of confidence; those without answers left out.

    As Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2, draw it.

    Args:
        examples: With the columns `confidence` (from 0 to 1) and `is_correct`.
        num_bins: Bin i holds confidences from i / num_bins on.
    """
    confidence = examples["confidence"].to_numpy()
    is_correct = examples["is_correct"].to_numpy()
    places = np.minimum((confidence * num_bins).astype(int), num_bins - 1)
    chosen = (places == i for i in np.unique(places))
    return [
        Bin(float(confidence[some].mean()), float(is_correct[some].mean()), int(some.sum()))
        for some in chosen
    ]


def most_confident(examples: pa.Table, count: int = 30) -> list[ConfidentAnswer]:
    """The answers that the model is surest of, the surest first, as in the paper's table 5."""
    columns = list(ConfidentAnswer._fields)
    rows = examples.select(columns).take(_by_confidence(examples)[:count]).to_pylist()
    return [ConfidentAnswer(**row) for row in rows]


def is_most_confident(examples: pa.Table) -> np.ndarray:
    """1 for the 1 % of answers that the model is surest of, at least one, 0 for the others.

    The paper's share (section 3.8). A part of a set has a hundredth of its own; the bootstrap draws
    among those of the whole.

    Returns:
        float64 (num_examples,).
    """
    chosen = np.zeros(len(examples))
    count = max(1, round(_MOST_CONFIDENT * len(examples)))
    chosen[_by_confidence(examples)[:count]] = 1
    return chosen


def _by_confidence(examples: pa.Table) -> np.ndarray:
    """Places of the examples, the surest first; of two alike the earlier one."""
    return np.argsort(-examples["confidence"].to_numpy(), kind="stable")
