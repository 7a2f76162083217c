"""CoQA's official score, on cases worked out by hand."""

import pytest
from hypothesis import given, settings, strategies as st

from evaluation.answers.coqa_f1 import answer_score, word_f1

WORDS = st.lists(st.sampled_from(["red", "barn", "the", "of", "Red", "5", "."]), max_size=6).map(
    " ".join
)


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        ("white", "White.", 1),
        ("in a barn", "in the red barn", 2 * (2 / 2) * (2 / 3) / (2 / 2 + 2 / 3)),
        ("no", "yes", 0),
        ("no no", "no", 2 * (1 / 2) * 1 / (1 / 2 + 1)),  # a word counts as often as both have it
        ("no no yes", "no no", 2 * (2 / 3) * 1 / (2 / 3 + 1)),
        ("the", "a.", 1),  # nothing is left of either
        ("", "the", 1),
        ("", "no", 0),
        ("no", "", 0),
    ],
)
def test_f1_is_the_harmonic_mean_of_precision_and_recall(answer, reference, expected):
    assert word_f1(answer, reference) == pytest.approx(expected)


def test_a_single_reference_is_compared_with_as_it_is():
    assert answer_score("red barn", ["barn"]) == pytest.approx((2 / 3, 0))
    assert answer_score("a barn", ["barn"]) == (1, 1)


def test_each_reference_is_left_out_once():
    # Against each: 1, 1/2, 1/2, 1/2. Without the first the best is 1/2, without another it is 1.
    references = ["orange and white", "orange with white tiger stripes", "orange", "orange"]
    assert answer_score("orange and white", references) == ((1 / 2 + 3) / 4, 3 / 4)
    # "orange" is there twice, so whichever is left out, one remains.
    assert answer_score("orange", references) == (1, 1)


def test_without_a_reference_there_is_no_score():
    with pytest.raises(ValueError, match="max"):
        answer_score("barn", [])


@settings(max_examples=100)
@given(WORDS, st.lists(WORDS, min_size=1, max_size=4))
def test_scores_are_shares_and_an_exact_match_has_f1_of_one(answer, references):
    f1, exact_match = answer_score(answer, references)
    assert 0 <= exact_match <= f1 <= 1
    assert word_f1(answer, references[0]) == word_f1(references[0], answer)
    assert answer_score(answer, [answer, answer, *references]) == (1, 1)
