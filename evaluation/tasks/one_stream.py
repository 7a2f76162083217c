"""Texts that are scored end to end as one stream, and which part of the loss is whose."""

import math
from collections.abc import Iterable, Iterator
from itertools import accumulate, chain, islice
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from evaluation.task import Row, Subject, nothing_to_score

UNITS: Final = (("num_units", pa.int64()),)
"""Words as published, line ends included; of enwik8 bytes, of text8 characters."""


class Part(NamedTuple):
    """A part of a stream: an article, a sentence, a piece of a long file."""

    text: str
    """As it is scored; a tokenizer would cut the stream where it begins and ends."""
    num_units: int
    """Words, bytes or characters of it as it was published."""


def measure_stream(subject: Subject, parts: Iterable[Part]) -> Iterator[Row]:
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
    [logprobs] = subject.scorer.loglikelihood_rolling([stream])
    ends = list(accumulate(map(len, token_ids)))
    shares = np.split(logprobs, ends[:-1])
    yield from (_row(part, share) for part, share in zip(chosen, shares, strict=True))


def measure_alone(subject: Subject, parts: Iterable[Part]) -> Iterator[Row]:
    """Each part as a text of its own, given nothing.

    Raises:
        NotAvailableError: the file is missing.
        NoExamplesError: there is no part.
    """
    chosen = list(islice(parts, subject.max_examples))
    if not chosen:
        raise nothing_to_score()
    streams = (subject.tokenizer.encode(part.text) for part in chosen)
    logprobs = subject.scorer.loglikelihood_rolling(streams)
    yield from (_row(part, share) for part, share in zip(chosen, logprobs, strict=True))


def _row(part: Part, logprobs: np.ndarray) -> Row:
    return {
        "nats": -math.fsum(logprobs),
        "num_tokens": len(logprobs),
        "num_units": part.num_units,
    }
