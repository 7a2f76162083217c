"""Texts that are scored end to end as one stream, and which part of the loss is whose."""

import math
from collections.abc import Iterable, Iterator
from itertools import accumulate, chain, islice
from typing import NamedTuple

import numpy as np

from corpus.errors import WebtextError
from evaluation.examples import Example
from evaluation.task import NoExamplesError, Subject


class Part(NamedTuple):
    """A part of a stream: an article, a sentence, a piece of a long file."""

    text: str
    """As it is scored; a tokenizer would cut the stream where it begins and ends."""
    num_units: int
    """Words, bytes or characters of it as it was published."""


def measure_stream(subject: Subject, parts: Iterable[Part]) -> Iterator[Example]:
    """Each part's share of the loss of all of them, every token given as many before it as fit.

    Raises:
        NotAvailableError: the file is missing.
        NoExamplesError: there is no part.
    """
    chosen = list(islice(parts, subject.max_examples))
    token_ids = [subject.tokenizer.encode(part.text) for part in chosen]
    stream = list(chain.from_iterable(token_ids))
    if not stream:
        raise nothing_to_score()
    [logprobs] = subject.scorer.rolling_logprobs([stream])
    ends = list(accumulate(map(len, token_ids)))
    shares = np.split(logprobs, ends[:-1])
    for number, (part, share) in enumerate(zip(chosen, shares, strict=True)):
        yield Example(number, -math.fsum(share), len(share), num_units=part.num_units)


def nothing_to_score() -> WebtextError:
    """The error for a file without a text."""
    return NoExamplesError("the file is empty", hint="Get the published file again.")
