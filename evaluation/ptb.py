"""The Penn Treebank, Mikolov's version: perplexity per original word, sentences as one stream."""

from collections.abc import Iterator
from typing import Final

from corpus.benchmarks.language_modeling import ptb_sentences
from evaluation.detokenizers import PTB as DETOKENIZER
from evaluation.examples import Example
from evaluation.metric import word_metrics
from evaluation.one_stream import Part, measure_stream
from evaluation.task import Subject, Task, benchmarks_folder
from evaluation.wikitext import count_words


def measure_ptb(subject: Subject) -> Iterator[Example]:
    """Each sentence's part of the loss; its line end is a word, as in the set's 82,430.

    Raises:
        NotAvailableError: the file is missing.
        NoExamplesError: it is empty, or no benchmarks folder was named.
    """
    sentences = ptb_sentences(benchmarks_folder(subject))
    parts = (Part(DETOKENIZER(sentence), count_words(sentence)) for sentence in sentences)
    return measure_stream(subject, parts)


PTB: Final = Task("ptb", word_metrics("detokenised, one stream, stride {stride}"), measure_ptb)
