"""What the paper reports: zero-shot results of its four models and of its day's best.

Radford et al. 2019, "Language Models are Unsupervised Multitask Learners".
"""

from dataclasses import dataclass
from typing import Final, Literal

PaperModel = Literal["SOTA", "117M", "345M", "762M", "1542M"]

SOURCE: Final = "Radford et al. 2019, Table 3"


@dataclass(frozen=True)
class PaperColumn:
    """One figure, by model: a column of Table 3."""

    task: str
    metric: str
    """In the words of our own scores, where we have one."""
    values: dict[PaperModel, float]


def _column(task: str, metric: str, *values: float) -> PaperColumn:
    models: tuple[PaperModel, ...] = ("SOTA", "117M", "345M", "762M", "1542M")
    return PaperColumn(task, metric, dict(zip(models, values, strict=True)))


TABLE_3: Final = (
    _column("lambada", "perplexity", 99.8, 35.13, 15.60, 10.87, 8.63),
    _column("lambada", "accuracy_percent", 59.23, 45.99, 55.48, 60.12, 63.24),
    _column("cbt_cn", "accuracy_percent", 85.7, 87.65, 92.35, 93.45, 93.30),
    _column("cbt_ne", "accuracy_percent", 82.3, 83.4, 87.1, 88.0, 89.05),
    _column("wikitext2", "word_perplexity", 39.14, 29.41, 22.76, 19.93, 18.34),
    _column("ptb", "word_perplexity", 46.54, 65.85, 47.33, 40.31, 35.76),
    _column("enwik8", "bits_per_byte", 0.99, 1.16, 1.01, 0.97, 0.93),
    _column("text8", "bits_per_character", 1.08, 1.17, 1.06, 1.02, 0.98),
    _column("wikitext103", "word_perplexity", 18.3, 37.50, 26.37, 22.05, 17.48),
    _column("lm1b", "word_perplexity", 21.8, 75.20, 55.72, 44.575, 42.16),
)


WINOGRAD: Final = PaperColumn("wsc273", "accuracy_percent", {"1542M": 70.70})
"""Section 3.4; figure 3 has the other sizes, as points only."""


def paper_value(task: str, metric: str, model: PaperModel) -> float | None:
    """What the paper reports for `model`, None where it reports nothing of the kind."""
    for column in (*TABLE_3, WINOGRAD):
        if (column.task, column.metric) == (task, metric):
            return column.values.get(model)
    return None
