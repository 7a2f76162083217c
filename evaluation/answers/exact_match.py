"""When an answer counts as the reference's: the rules of SQuAD v1.1's and CoQA's scripts."""

import re
import string
from collections.abc import Iterable
from typing import Final

_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)
_ARTICLES: Final = re.compile(r"\b(?:a|an|the)\b")


def normalised(answer: str) -> str:
    """An answer without what does not count: case, punctuation, articles, spaces.

    Both official scripts do it in this order (Rajpurkar et al. 2016; Reddy et al. 2019). Only
    ASCII punctuation goes, and it leaves no space: "the U.S." is "us", "well-known" is "wellknown".
    """
    bare = answer.lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def is_exact_match(answer: str, references: Iterable[str]) -> bool:
    """Whether an answer is one of the references, both normalised."""
    return normalised(answer) in map(normalised, references)
