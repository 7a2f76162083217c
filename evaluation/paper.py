"""What the paper reports: zero-shot results of its four models and of its day's best.

Radford et al. 2019, "Language Models are Unsupervised Multitask Learners".
"""

from dataclasses import dataclass
from typing import Final, Literal

PaperModel = Literal["SOTA", "117M", "345M", "762M", "1542M"]
PAPER_MODELS: Final[tuple[PaperModel, ...]] = ("117M", "345M", "762M", "1542M")

SOURCE: Final = "Radford et al. 2019, Table 3"


@dataclass(frozen=True)
class PaperColumn:
    """One figure, by model: a column of Table 3."""

    task: str
    metric: str
    """In the words of our own scores, where we have one."""
    values: dict[PaperModel, float]


def _column(task: str, metric: str, *values: float) -> PaperColumn:
    return PaperColumn(task, metric, dict(zip(("SOTA", *PAPER_MODELS), values, strict=True)))


TABLE_3: Final = (
    _column("lambada", "perplexity", 99.8, 35.13, 15.60, 10.87, 8.63),
    _column("lambada", "accuracy_filtered_percent", 59.23, 45.99, 55.48, 60.12, 63.24),
    _column("cbt_cn", "accuracy_percent", 85.7, 87.65, 92.35, 93.45, 93.30),
    _column("cbt_ne", "accuracy_percent", 82.3, 83.4, 87.1, 88.0, 89.05),
    _column("wikitext2", "word_perplexity", 39.14, 29.41, 22.76, 19.93, 18.34),
    _column("ptb", "word_perplexity", 46.54, 65.85, 47.33, 40.31, 35.76),
    _column("enwik8", "bits_per_byte", 0.99, 1.16, 1.01, 0.97, 0.93),
    _column("text8", "bits_per_character", 1.08, 1.17, 1.06, 1.02, 0.98),
    _column("wikitext103", "word_perplexity", 18.3, 37.50, 26.37, 22.05, 17.48),
    _column("lm1b", "word_perplexity", 21.8, 75.20, 55.72, 44.575, 42.16),
)


TABLE_4: Final = (
    PaperColumn("cnndm", "rouge1", {"1542M": 29.34}),
    PaperColumn("cnndm", "rouge2", {"1542M": 8.27}),
    PaperColumn("cnndm", "rougeL", {"1542M": 26.58}),
    PaperColumn("cnndm", "rouge_mean", {"1542M": 21.40}),
)
"""Of GPT-2 with the hint "TL;DR:"."""

TABLE_4_VARIANTS: Final[dict[str, tuple[float, float, float, float]]] = {
    "no_hint": (21.58, 4.03, 19.47, 15.03),
    "lead_3": (40.38, 17.66, 36.62, 31.55),
    "random_3": (28.78, 8.63, 25.52, 20.98),
}
"""The other rows of table 4 that a variant of ours is the like of, in the order of its columns."""

SINGLE_FIGURES: Final = (
    PaperColumn("wsc273", "accuracy_percent", {"1542M": 70.70}),  # section 3.4
    PaperColumn("lambada", "accuracy_percent", {"1542M": 52.66}),  # 3.3: no stop-word filter
    PaperColumn("coqa", "f1_percent", {"1542M": 55}),  # 3.5
    PaperColumn("wmt14_en_fr", "bleu", {"1542M": 5}),  # 3.7
    PaperColumn("wmt14_fr_en", "bleu", {"1542M": 11.5, "SOTA": 33.5}),  # 3.7
    PaperColumn("nq_open", "exact_match_percent", {"1542M": 4.1}),  # 3.8
    PaperColumn("nq_open", "confident_accuracy_percent", {"1542M": 63.1}),  # 3.8
)
"""What the text of section 3 says; figures 1 to 4 have more, as points only."""


def paper_value(
    task: str, metric: str, model: PaperModel, variant: str | None = None
) -> float | None:
    """What the paper reports for `model`, None where it reports nothing of the kind.

    Args:
        task: In the words of our own scores, as the metric.
        metric: The figure.
        model: A model of the paper.
        variant: One that the paper has a figure of its own for; others have the task's.
    """
    if task == "cnndm" and variant in TABLE_4_VARIANTS:
        metrics = [column.metric for column in TABLE_4]
        row = dict(zip(metrics, TABLE_4_VARIANTS[variant], strict=True))
        return row.get(metric) if model == "1542M" else None
    for column in (*TABLE_3, *TABLE_4, *SINGLE_FIGURES):
        if (column.task, column.metric) == (task, metric):
            return column.values.get(model)
    return None
