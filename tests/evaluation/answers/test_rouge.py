"""ROUGE equals what one counts by hand."""

import pytest
from hypothesis import given, settings, strategies as st

from evaluation.answers.rouge import rouge

SENTENCES = st.lists(st.text("abc ", min_size=1, max_size=12), max_size=4)


def test_f1_is_of_what_both_have_in_common():
    # 6 and 5 words: 4 in common; of 5 and 4 pairs "the cat", "on the"; in order all the 4 words.
    found = rouge(["the cat is on the mat"], ["the cat on the rug"])
    assert found.rouge1 == pytest.approx(100 * 2 * 4 / (6 + 5))
    assert found.rouge2 == pytest.approx(100 * 2 * 2 / (5 + 4))
    assert found.rougeL == pytest.approx(100 * 2 * 4 / (6 + 5))


def test_words_count_by_their_stems():
    assert rouge(["The dogs were running."], ["the dog were runs"]) == (100, 100, 100)


def test_sentences_may_come_in_another_order():
    # Each sentence of the reference is looked for in all of the summary (Lin 2004, section 3.2).
    found = rouge(["Two came home.", "One went away."], ["One went away.", "Two came home."])
    assert found.rouge1 == found.rougeL == 100
    # As one sentence each: half of the six words are in the same order.
    joined = rouge(["Two came home. One went away."], ["One went away. Two came home."])
    assert joined.rougeL == pytest.approx(50)


def test_nothing_said_is_nothing_right():
    assert rouge([], ["Something."]) == (0, 0, 0)
    assert rouge(["..."], ["Something."]) == (0, 0, 0)
    assert rouge(["Something."], []) == (0, 0, 0)


@settings(max_examples=50)
@given(SENTENCES, SENTENCES)
def test_it_is_a_percentage_and_blind_to_which_is_the_reference(summary, reference):
    found = rouge(summary, reference)
    assert all(0 <= value <= 100 for value in found)
    back = rouge(reference, summary)
    assert (found.rouge1, found.rouge2) == pytest.approx((back.rouge1, back.rouge2))
