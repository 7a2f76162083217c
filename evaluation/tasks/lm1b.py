"""The One Billion Word Benchmark: perplexity per original word."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from corpus.benchmarks.language_modeling import lm1b_sentences
from evaluation.metric import word_metrics
from evaluation.task import Row, Subject, Task, Variant, benchmarks_folder
from evaluation.tasks.detokenizers import LM1B as DETOKENIZER
from evaluation.tasks.one_stream import UNITS, Part, measure_alone, measure_stream
from evaluation.tasks.wikitext import count_words


def measure_lm1b(
    subject: Subject, written: Callable[[str], str], *, is_one_stream: bool = False
) -> Iterator[Row]:
    """Each sentence, its line end included, which counts as a word.

    Args:
        subject: The model.
        written: What becomes of a sentence before it is scored.
        is_one_stream: Whether a sentence follows the one before it. They are of other articles;
            alone, each is given nothing.

    Raises:
        NotAvailableError: the file is missing.
        NoExamplesError: it is empty, or no benchmarks folder was named.
    """
    sentences = lm1b_sentences(benchmarks_folder(subject))
    parts = (Part(written(each), count_words(each)) for each in sentences)
    return (measure_stream if is_one_stream else measure_alone)(subject, parts)


_detokenised = partial(measure_lm1b, written=DETOKENIZER)
LM1B: Final = Task(
    "lm1b",
    1,
    UNITS,
    word_metrics(),
    (
        Variant("detokenised", "de-tokenised, each sentence alone", _detokenised),
        Variant("raw", "as published, each sentence alone", partial(measure_lm1b, written=str)),
        Variant(
            "one_stream", "de-tokenised, one stream", partial(_detokenised, is_one_stream=True)
        ),
    ),
    is_rolling=True,
)
