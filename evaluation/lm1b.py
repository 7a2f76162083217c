"""The One Billion Word Benchmark: perplexity per original word, each shuffled sentence alone."""

import math
from collections.abc import Iterator
from itertools import islice, tee
from typing import Final

from corpus.benchmarks.language_modeling import lm1b_sentences
from evaluation.detokenizers import LM1B as DETOKENIZER
from evaluation.examples import Example
from evaluation.metric import word_metrics
from evaluation.one_stream import nothing_to_score
from evaluation.task import Subject, Task, benchmarks_folder
from evaluation.wikitext import count_words


def measure_lm1b(subject: Subject) -> Iterator[Example]:
    """Each sentence, given nothing: its neighbours in the file are of other articles.

    Its line end is scored, and counts as a word.

    Raises:
        NotAvailableError: the file is missing.
        NoExamplesError: it is empty, or no benchmarks folder was named.
    """
    some = islice(lm1b_sentences(benchmarks_folder(subject)), subject.max_examples)
    published, scored = tee(some)
    streams = (subject.tokenizer.encode(DETOKENIZER(sentence)) for sentence in scored)
    number = -1
    all_logprobs = subject.scorer.rolling_logprobs(streams)
    for number, (sentence, logprobs) in enumerate(zip(published, all_logprobs, strict=True)):
        nats, num_words = -math.fsum(logprobs), count_words(sentence)
        yield Example(number, nats, len(logprobs), num_units=num_words)
    if number < 0:
        raise nothing_to_score()


_PROTOCOL: Final = "detokenised, each sentence alone, stride {stride}"
LM1B: Final = Task("lm1b", word_metrics(_PROTOCOL), measure_lm1b)
