"""A figure is one formula for any examples, and its standard error is what resampling finds."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from evaluation.tasks.heldout import HELDOUT
from evaluation.tasks.lambada import LAMBADA
from evaluation.tasks.wikitext import WIKITEXT2
from tests.evaluation.tables import row, table

PERPLEXITY, ACCURACY = LAMBADA.metrics[:2]
WORD_PERPLEXITY = WIKITEXT2.metrics[0]
METRICS = {f"{t.name}.{m.name}": m for t in (HELDOUT, LAMBADA, WIKITEXT2) for m in t.metrics}


def random_table(num_examples: int) -> pa.Table:
    rng = np.random.default_rng(num_examples)
    return table(
        *(
            row(
                number,
                num_units / 40 * rng.gamma(8, 0.5),
                2 * num_units,
                num_units=num_units,
                unigram_nats=num_units / 40 * rng.gamma(9, 0.5),
                is_correct=bool(rng.random() < 0.4),
            )
            for number, num_units in enumerate(rng.integers(20, 60, num_examples).tolist())
        )
    )


def test_perplexity_is_of_the_mean_loss():
    examples = table(row(0, 1.0, 1, is_correct=True), row(1, 4.0, 3, is_correct=False))
    assert PERPLEXITY.value(examples) == math.exp(2.5)
    assert ACCURACY.value(examples) == 50


def test_longer_articles_weigh_more():
    examples = table(row(0, 10.0, 9, num_units=10), row(1, 90.0, 9, num_units=30))
    assert WORD_PERPLEXITY.value(examples) == math.exp(100 / 40)


@pytest.mark.parametrize("name", METRICS)
def test_nothing_has_no_figure_and_no_error(name):
    nothing = random_table(3).slice(0, 0)
    assert METRICS[name].value(nothing) is None
    assert METRICS[name].standard_error(nothing) is None
    assert METRICS[name].interval(nothing) is None


def test_examples_that_are_alike_do_not_tell_how_certain_a_figure_is():
    right = [row(i, 1.0, 1, is_correct=True) for i in range(3)]
    assert ACCURACY.standard_error(table(*right)) is None
    assert ACCURACY.interval(table(*right)) is None
    assert PERPLEXITY.standard_error(table(*right[:1])) is None


@settings(max_examples=30)
@given(st.sampled_from(sorted(METRICS)), st.integers(1, 40), st.randoms(use_true_random=False))
def test_the_order_of_examples_changes_nothing(name, num_examples, random):
    examples = random_table(num_examples)
    order = random.sample(range(num_examples), num_examples)
    assert METRICS[name].value(examples.take(order)) == METRICS[name].value(examples)


def test_the_error_of_a_share_is_the_binomial_one():
    correct = [True] * 30 + [False] * 70
    examples = table(*(row(i, 1.0, 1, is_correct=is_it) for i, is_it in enumerate(correct)))
    assert ACCURACY.standard_error(examples) == pytest.approx(100 * math.sqrt(0.3 * 0.7 / 99))


@pytest.mark.parametrize("name", METRICS)
def test_the_error_is_what_resampling_finds(name):
    examples, metric = random_table(200), METRICS[name]
    rng = np.random.default_rng(1)
    resampled = [metric.value(examples.take(rng.integers(0, 200, 200))) or 0 for _ in range(300)]
    # 300 values give their standard deviation to within 4 %, one sigma.
    assert metric.standard_error(examples) == pytest.approx(np.std(resampled), rel=0.15)


@pytest.mark.parametrize("name", METRICS)
def test_the_interval_is_four_standard_errors_wide(name):
    examples, metric = random_table(400), METRICS[name]
    low, high = metric.interval(examples) or (0, 0)
    assert low < (metric.value(examples) or 0) < high
    error = metric.standard_error(examples) or 0
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.2)
    assert metric.interval(examples) == (low, high), "drawn anew, the same sets"


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        correct = (rng.random(150) < 0.4).tolist()
        rows = (row(i, 1.0, 1, is_correct=is_it) for i, is_it in enumerate(correct))
        low, high = ACCURACY.interval(table(*rows)) or (0, 0)
        held += low <= 40 <= high
    # Of 200 draws 95 % are 190, give or take 3; the percentile bootstrap is a little too narrow.
    assert 178 <= held <= 199
