"""LAMBADA: the last word of a passage that takes the whole passage to guess."""

import math
from collections.abc import Iterator
from itertools import islice
from typing import Final

from corpus.benchmarks import lambada_passages
from evaluation.task import NoExamplesError, Score, Subject, Task, benchmarks_folder

# The paper adds a stop-word filter that was never published (52.66 % -> 63.24 % for 1542M), so
# its accuracy stands beside ours as a landmark, not as a target.
_PROTOCOL: Final = "OpenAI's file, last word after the last space, no stop-word filter"


def score_lambada(subject: Subject) -> list[Score]:
    """Perplexity of the target word, and how often greedy decoding gives it.

    The target is the last word with the space before it; perplexity is the exponential of the
    mean over passages of the whole word's negative log-probability.

    Raises:
        NotAvailableError: the file is missing.
    """
    passages = islice(lambada_passages(benchmarks_folder(subject)), subject.max_examples)
    num_tokens = 0

    def pairs() -> Iterator[tuple[list[int], list[int]]]:
        nonlocal num_tokens
        for passage in passages:
            context, word = split_last_word(passage)
            target = subject.tokenizer.encode(word)
            num_tokens += len(target)
            yield subject.tokenizer.encode(context), target

    scores = subject.scorer.loglikelihood(pairs())
    if not scores:
        raise NoExamplesError("LAMBADA's file is empty", hint="Get the published file again.")
    num_passages = len(scores)
    mean_loss = -math.fsum(score.logprob for score in scores) / num_passages
    accuracy = 100 * sum(score.is_greedy for score in scores) / num_passages
    return [
        Score("perplexity", math.exp(mean_loss), num_passages, num_tokens, _PROTOCOL),
        Score("accuracy_percent", accuracy, num_passages, num_tokens, f"{_PROTOCOL}, greedy match"),
    ]


def split_last_word(passage: str) -> tuple[str, str]:
    """The passage up to its last space, and the rest with that space: GPT-2's words begin so.

    Two of the 5,153 passages end in glued words ("thought...Tess"), which count as one.
    """
    context, _, word = passage.rstrip().rpartition(" ")
    return context, f" {word}" if context else word


LAMBADA: Final = Task("lambada", ("perplexity", "accuracy_percent"), score_lambada)
