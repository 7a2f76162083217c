"""A figure is one formula for any examples, and its standard error is what resampling finds."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from evaluation.examples import EXAMPLES, Example, example_rows
from evaluation.heldout import HELDOUT
from evaluation.lambada import LAMBADA
from evaluation.wikitext import WIKITEXT2

PERPLEXITY, ACCURACY = LAMBADA.metrics
WORD_PERPLEXITY = WIKITEXT2.metrics[0]
METRICS = {f"{t.name}.{m.name}": m for t in (HELDOUT, LAMBADA, WIKITEXT2) for m in t.metrics}


def table(*examples: Example) -> pa.Table:
    return pa.Table.from_pylist(list(example_rows("any", examples)), EXAMPLES)


def random_table(num_examples: int) -> pa.Table:
    rng = np.random.default_rng(num_examples)
    return table(
        *(
            Example(
                number,
                nats=num_units / 40 * rng.gamma(8, 0.5),
                num_tokens=2 * num_units,
                num_units=num_units,
                unigram_nats=num_units / 40 * rng.gamma(9, 0.5),
                is_correct=bool(rng.random() < 0.4),
            )
            for number, num_units in enumerate(rng.integers(20, 60, num_examples).tolist())
        )
    )


def test_perplexity_is_of_the_mean_loss():
    examples = table(Example(0, 1.0, 1, is_correct=True), Example(1, 4.0, 3, is_correct=False))
    assert PERPLEXITY.value(examples) == math.exp(2.5)
    assert ACCURACY.value(examples) == 50


def test_longer_articles_weigh_more():
    examples = table(Example(0, 10.0, 9, num_units=10), Example(1, 90.0, 9, num_units=30))
    assert WORD_PERPLEXITY.value(examples) == math.exp(100 / 40)


@pytest.mark.parametrize("name", METRICS)
def test_nothing_has_no_figure_and_no_error(name):
    nothing = random_table(3).slice(0, 0)
    assert METRICS[name].value(nothing) is None
    assert METRICS[name].standard_error(nothing) is None


def test_examples_that_are_alike_do_not_tell_how_certain_a_figure_is():
    right = [Example(i, 1.0, 1, is_correct=True) for i in range(3)]
    assert ACCURACY.standard_error(table(*right)) is None
    assert PERPLEXITY.standard_error(table(*right[:1])) is None


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(METRICS)), st.integers(1, 40), st.randoms(use_true_random=False))
def test_the_order_of_examples_changes_nothing(name, num_examples, random):
    examples = random_table(num_examples)
    order = random.sample(range(num_examples), num_examples)
    assert METRICS[name].value(examples.take(order)) == METRICS[name].value(examples)


def test_the_error_of_a_share_is_the_binomial_one():
    correct = [True] * 30 + [False] * 70
    examples = table(*(Example(i, 1.0, 1, is_correct=is_it) for i, is_it in enumerate(correct)))
    assert ACCURACY.standard_error(examples) == pytest.approx(100 * math.sqrt(0.3 * 0.7 / 99))


@pytest.mark.parametrize("name", METRICS)
def test_the_error_is_what_resampling_finds(name):
    examples, metric = random_table(200), METRICS[name]
    rng = np.random.default_rng(1)
    resampled = [metric.value(examples.take(rng.integers(0, 200, 200))) or 0 for _ in range(300)]
    # 300 values give their standard deviation to within 4 %, one sigma.
    assert metric.standard_error(examples) == pytest.approx(np.std(resampled), rel=0.15)
