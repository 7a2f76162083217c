"""ROUGE: how much of a reference a summary says, and how much else (Lin 2004).

Computed by Google's rouge-score in the settings of the paper's baselines (See et al. 2017, who ran
ROUGE-1.5.5 through pyrouge): words stemmed, F1, and ROUGE-L sentence by sentence ("rougeLsum").
ROUGE-L of the texts as one sentence each is some 11 points lower: no reading of Table 4.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer


class Rouge(NamedTuple):
    """F1 in percent, by what is counted in common."""

    rouge1: float
    """Words."""
    rouge2: float
    """Pairs of words in a row."""
    rougeL: float  # noqa: N815 - its name
    """Words in the same order: per sentence of the reference, over all of the summary's."""


def rouge(summary: Sequence[str], reference: Sequence[str]) -> Rouge:
    """Hold a summary against a reference, both as sentences; nothing said is 0."""
    found = _scorer().score("\n".join(reference), "\n".join(summary))
    kinds = ("rouge1", "rouge2", "rougeLsum")
    return Rouge(*(100 * float(found[kind].fmeasure) for kind in kinds))


@cache
def _scorer() -> "RougeScorer":
    # It imports all of nltk for its stemmer: 1 to 2 s that only who sums up shall pay.
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rouge1", "rouge2", "rougeLsum"], use_stemmer=True)
