"""What a question asks for, by its question word, and what is most often the answer to that."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final

from evaluation.answers.exact_match import normalised

# "whose" and "whom" are "who", "what's" and "whats" are "what".
_WORD: Final = re.compile(r"\b(who|what|when|where|which|why|how)(?:se|m|'?s)?\b", re.IGNORECASE)


def question_type(question: str) -> str:
    """The first question word, wherever it stands; "other" without one."""
    found = _WORD.search(question)
    return found[1].lower() if found else "other"


def most_common_answers(answered: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The most common answer to each type of question; of several the one that came first.

    Args:
        answered: Type and answer of each question. Answers alike but for what SQuAD's rules
            remove are one.

    Returns:
        Answers, normalised, by type.
    """
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for kind, answer in answered:
        counts[kind][normalised(answer)] += 1
    return {kind: found.most_common(1)[0][0] for kind, found in counts.items()}
