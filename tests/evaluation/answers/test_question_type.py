"""Questions are sorted by their question word, and each kind has a most common answer."""

import pytest

from evaluation.answers.question_type import most_common_answers, question_type


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("who wrote hamlet", "who"),
        ("Whose horse is it?", "who"),
        ("whats the capital of peru", "what"),
        ("what's the capital of peru", "what"),
        ("in which year did it end", "which"),
        ("how many moons has mars and when were they found", "how"),
        ("the whole of whatnot and nowhere", "other"),
        ("", "other"),
    ],
)
def test_the_first_question_word_decides(question, expected):
    assert question_type(question) == expected


def test_answers_alike_are_one_and_of_two_as_common_the_first_is_taken():
    answered = [
        ("who", "Bach"),
        ("who", "The Beatles"),
        ("who", "beatles"),
        ("when", "1972"),
        ("when", "1945"),
    ]
    assert most_common_answers(answered) == {"who": "beatles", "when": "1972"}
