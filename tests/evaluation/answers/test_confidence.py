"""Calibration and the most confident answers, on answers that a person can count."""

import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from evaluation.answers.confidence import calibration, is_most_confident, most_confident

CONFIDENCES = st.lists(st.floats(0, 1), min_size=1, max_size=300)


def table(*answers: tuple[float, bool]) -> pa.Table:
    rows = [
        {"question": f"q{i}", "answer": f"a{i}", "confidence": confidence, "is_correct": right}
        for i, (confidence, right) in enumerate(answers)
    ]
    return pa.Table.from_pylist(rows)


def test_answers_of_like_confidence_share_a_bin():
    examples = table((0.05, False), (0.09, True), (0.5, True), (1.0, True), (0.95, False))
    bins = calibration(examples)
    assert [(one.accuracy, one.num_answers) for one in bins] == [(0.5, 2), (1, 1), (0.5, 2)]
    assert [one.confidence for one in bins] == pytest.approx([0.07, 0.5, 0.975])


@settings(max_examples=50)
@given(CONFIDENCES, st.integers(1, 20))
def test_every_answer_is_in_one_bin_of_its_confidence(confidences, num_bins):
    bins = calibration(table(*((each, True) for each in confidences)), num_bins)
    assert sum(one.num_answers for one in bins) == len(confidences)
    means = [one.confidence for one in bins]
    assert means == sorted(means)


def test_the_surest_come_first_and_of_two_alike_the_earlier_one():
    examples = table((0.2, False), (0.9, True), (0.9, False), (0.4, True))
    assert [each.question for each in most_confident(examples, 3)] == ["q1", "q2", "q3"]
    assert most_confident(examples, 1) == [("q1", "a1", True, 0.9)]
    assert len(most_confident(examples)) == 4


@settings(max_examples=50)
@given(CONFIDENCES)
def test_one_in_a_hundred_is_among_the_most_confident_and_none_beside_is_surer(confidences):
    chosen = is_most_confident(table(*((each, True) for each in confidences))) == 1
    inside = [each for each, is_in in zip(confidences, chosen, strict=True) if is_in]
    outside = [each for each, is_in in zip(confidences, chosen, strict=True) if not is_in]
    assert len(inside) == max(1, round(len(confidences) / 100))
    assert min(inside) >= max(outside, default=0)
