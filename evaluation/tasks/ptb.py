"""The Penn Treebank in Mikolov's version: perplexity per original word, the file as one stream."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from corpus.benchmarks.language_modeling import ptb_sentences
from evaluation.metric import word_metrics
from evaluation.task import Row, Subject, Task, Variant, benchmarks_folder
from evaluation.tasks.detokenizers import PTB as DETOKENIZER
from evaluation.tasks.one_stream import UNITS, Part, measure_stream
from evaluation.tasks.wikitext import count_words


def measure_ptb(subject: Subject, written: Callable[[str], str]) -> Iterator[Row]:
    """Each sentence's part of the loss; its line end is a word, as in the set's 82,430.

    Args:
        subject: The model.
        written: What becomes of a sentence before it is scored.

    Raises:
        NotAvailableError: the file is missing.
        NoExamplesError: it is empty, or no benchmarks folder was named.
    """
    sentences = ptb_sentences(benchmarks_folder(subject))
    return measure_stream(subject, (Part(written(each), count_words(each)) for each in sentences))


PTB: Final = Task(
    "ptb",
    1,
    UNITS,
    word_metrics(),
    (
        Variant(
            "detokenised",
            "de-tokenised, one stream",
            partial(measure_ptb, written=DETOKENIZER),
        ),
        Variant("raw", "as published, one stream", partial(measure_ptb, written=str)),
    ),
    is_rolling=True,
)
