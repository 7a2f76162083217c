"""CoQA's score of an answer: words in common with the answers of several people."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from evaluation.answers.exact_match import is_exact_match, normalised


class AnswerScore(NamedTuple):
    """How good an answer is, each from 0 to 1."""

    f1: float
    exact_match: float


def answer_score(answer: str, references: Sequence[str]) -> AnswerScore:
    """The official score of an answer (Reddy et al. 2019, section 5, and evaluate-v1.0.py).

    A person's answer can be compared with those of the other people only. To be fair, a model's
    is too: each reference is left out once, the best of the others counts, and the mean is taken.

    Args:
        answer: As the model wrote it.
        references: At least one; a single one is compared with as it is.

    Raises:
        ValueError: there is no reference.
    """
    return AnswerScore(
        _left_out_mean(answer, references, word_f1),
        _left_out_mean(answer, references, lambda ours, theirs: is_exact_match(ours, [theirs])),
    )


def word_f1(answer: str, reference: str) -> float:
    """The harmonic mean of precision and recall in words, both normalised.

    A word counts as often as both have it. Where one has no word left, only both are alike.
    """
    ours, theirs = normalised(answer).split(), normalised(reference).split()
    if not ours or not theirs:
        return float(ours == theirs)
    num_common = (Counter(ours) & Counter(theirs)).total()
    # 2 p r / (p + r) with p = common / ours and r = common / theirs.
    return 2 * num_common / (len(ours) + len(theirs))


def _left_out_mean(
    answer: str, references: Sequence[str], score: Callable[[str, str], float]
) -> float:
    scores = [float(score(answer, reference)) for reference in references]
    if len(scores) < 2:
        return max(scores)
    best = (max(scores[:i] + scores[i + 1 :]) for i in range(len(scores)))
    return sum(best) / len(scores)
