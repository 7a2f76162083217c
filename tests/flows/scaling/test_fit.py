"""The fitted line is the least-squares line through the logarithms."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from flows.scaling.fit import fit_power_law

SIZES = st.lists(st.integers(1_000, 10**10), min_size=2, max_size=8, unique=True)


@settings(max_examples=50)
@given(sizes=SIZES, slope=st.floats(-1, 1), intercept=st.floats(-2, 8))
def test_points_on_a_power_law_give_its_exponent_and_its_factor(
    sizes: list[int], slope: float, intercept: float
):
    # Sizes that are nearly the same say nothing of a slope.
    sizes = [sizes[0], *(size for size in sizes[1:] if abs(math.log(size / sizes[0])) > 0.1)]
    if len(sizes) < 2:
        return
    perplexities = [math.exp(intercept) * size**slope for size in sizes]
    fit = fit_power_law(sizes, perplexities)
    assert fit.slope == pytest.approx(slope, abs=1e-9)
    assert fit.intercept == pytest.approx(intercept, abs=1e-7)
    for size, perplexity in zip(sizes, perplexities, strict=True):
        assert fit.perplexity(size) == pytest.approx(perplexity)
    if abs(slope) > 1e-3:
        assert fit.r_squared == pytest.approx(1)


@settings(max_examples=50)
@given(perplexities=st.lists(st.floats(1.1, 1e4), min_size=4, max_size=4))
def test_points_off_the_line_give_the_least_squares_line_and_a_share_explained(
    perplexities: list[float],
):
    sizes = [200_000, 600_000, 1_200_000, 3_000_000]
    fit = fit_power_law(sizes, perplexities)
    slope, intercept = np.polyfit(np.log(sizes), np.log(perplexities), 1)
    assert fit.slope == pytest.approx(slope, abs=1e-9)
    assert fit.intercept == pytest.approx(intercept, abs=1e-6)
    assert -1e-9 <= fit.r_squared <= 1 + 1e-9
    if len(set(perplexities)) > 1 and np.ptp(np.log(perplexities)) > 1e-3:
        correlation = np.corrcoef(np.log(sizes), np.log(perplexities))[0, 1]
        assert fit.r_squared == pytest.approx(correlation**2, abs=1e-6)


def test_perplexities_that_are_all_the_same_lie_on_a_flat_line():
    fit = fit_power_law([1, 10, 100], [5.0, 5.0, 5.0])
    assert (fit.slope, fit.r_squared) == (0, 1)
    assert fit.perplexity(12) == pytest.approx(5)


def test_one_size_makes_no_line():
    with pytest.raises(ValueError, match="two different sizes"):
        fit_power_law([7, 7], [1.0, 2.0])
