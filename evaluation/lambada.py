"""LAMBADA: the last word of a passage that takes the whole passage to guess."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

import numpy as np
import pyarrow as pa

from corpus.benchmarks.language_modeling import lambada_passages
from evaluation.examples import Example
from evaluation.metric import Metric, column, each
from evaluation.task import NoExamplesError, Subject, Task, benchmarks_folder

# The paper adds a stop-word filter that was never published (52.66 % -> 63.24 % for 1542M), so
# its accuracy stands beside ours as a landmark, not as a target.
_PROTOCOL: Final = "OpenAI's file, last word after the last space, no stop-word filter"


def measure_lambada(subject: Subject) -> Iterator[Example]:
    """The target word of each passage: its log-probability, and whether greedy decoding gives it.

    The target is the last word with the space before it.

    Raises:
        NotAvailableError: the file is missing.
        NoExamplesError: it is empty, or no benchmarks folder was named.
    """
    passages = islice(lambada_passages(benchmarks_folder(subject)), subject.max_examples)
    tokenizer = subject.tokenizer
    words = (split_last_word(passage) for passage in passages)
    pairs = ((tokenizer.encode(context), tokenizer.encode(word)) for context, word in words)
    scores = subject.scorer.loglikelihood(pairs)
    if not scores:
        raise NoExamplesError("LAMBADA's file is empty", hint="Get the published file again.")
    for number, score in enumerate(scores):
        yield Example(number, -score.logprob, len(score.logprobs), is_correct=score.is_greedy)


def split_last_word(passage: str) -> tuple[str, str]:
    """The passage up to its last space, and the rest with that space: GPT-2's words begin so.

    Two of the 5,153 passages end in glued words ("thought...Tess"), which count as one.
    """
    context, _, word = passage.rstrip().rpartition(" ")
    return context, f" {word}" if context else word


def _percent_correct(examples: pa.Table) -> np.ndarray:
    return 100 * column("is_correct")(examples)


LAMBADA: Final = Task(
    "lambada",
    (
        # The mean is over passages, of the whole word's log-probability, however many tokens.
        Metric("perplexity", _PROTOCOL, column("nats"), each, is_exponential=True),
        Metric("accuracy_percent", f"{_PROTOCOL}, greedy match", _percent_correct, each),
    ),
    measure_lambada,
)
