"""The held-out split: loss and perplexity per token, beside what word counts alone would give."""

import math
from collections.abc import Iterator
from itertools import islice, pairwise, tee
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from corpus.errors import UsageError
from corpus.shards import open_shard
from corpus.stage import data_shards
from corpus.tokens.stage import token_streams
from evaluation.examples import Example
from evaluation.metric import Metric, column
from evaluation.task import NoExamplesError, Subject, Task


def measure_heldout(subject: Subject) -> Iterator[Example]:
    """Each document of the val split: its loss, and that of the train split's token counts.

    A document is scored on its own, its first token given end-of-text, its end-of-text included.

    Raises:
        NoExamplesError: the val split has no document.
        UsageError: the tokens are ids of a larger vocabulary than the model's.
    """
    vocab_size = subject.scorer.vocab_size
    unigrams = unigram_logprobs(subject.tokens, vocab_size)
    some = islice(val_documents(subject.tokens), subject.max_examples)
    documents, scored = tee(check_vocabulary(token_ids, vocab_size) for token_ids in some)
    number = -1
    pairs = zip(scored, subject.scorer.rolling_logprobs(documents), strict=True)
    for number, (token_ids, logprobs) in enumerate(pairs):
        unigram_nats = -math.fsum(unigrams[token_ids])
        yield Example(number, -math.fsum(logprobs), len(token_ids), unigram_nats=unigram_nats)
    if number < 0:
        raise NoExamplesError(
            f"the val split of {subject.tokens} has no document",
            hint="Raise tokens.val_fraction, or give the corpus more documents.",
        )


def unigram_logprobs(tokens: Path, vocab_size: int) -> np.ndarray:
    """Log-probability of each token by its count in the train split, plus one; (vocab_size,)."""
    counts = np.ones(vocab_size, dtype=np.int64)
    for stream in token_streams(data_shards(tokens, "train-")):
        counts += np.bincount(check_vocabulary(stream, vocab_size), minlength=vocab_size)
    return np.log(counts) - math.log(counts.sum())


def check_vocabulary(token_ids: np.ndarray, vocab_size: int) -> np.ndarray:
    """The token ids themselves.

    Raises:
        UsageError: a token is not in the vocabulary.
    """
    largest = int(token_ids.max(initial=0))
    if largest >= vocab_size:
        raise UsageError(
            f"token {largest} is not in the model's vocabulary of {vocab_size}",
            hint="Score the model with the tokens folder that it was trained on.",
        )
    return token_ids


def val_documents(tokens: Path) -> Iterator[np.ndarray]:
    """The token ids of each held-out document, end-of-text at their end."""
    for path in data_shards(tokens, "val-"):
        reader = open_shard(path)
        for i in range(reader.num_record_batches):
            column = reader.get_batch(i).column("tokens")
            values, offsets = column.values.to_numpy(), column.offsets.to_numpy()
            for start, end in pairwise(offsets):
                yield values[start:end]


def _gain(examples: pa.Table) -> np.ndarray:
    return column("unigram_nats")(examples) - column("nats")(examples)


_PROTOCOL: Final = "per token, each document alone, stride {stride}"
_UNIGRAM_PROTOCOL: Final = "train split's token counts, add-one smoothed, on the same tokens"
_TOKENS: Final = column("num_tokens")
HELDOUT: Final = Task(
    "heldout",
    (
        Metric("loss", f"nats {_PROTOCOL}", column("nats"), _TOKENS),
        Metric("perplexity", _PROTOCOL, column("nats"), _TOKENS, is_exponential=True),
        Metric("unigram_loss", _UNIGRAM_PROTOCOL, column("unigram_nats"), _TOKENS),
        Metric("gain", "unigram_loss - loss, in nats", _gain, _TOKENS),
    ),
    measure_heldout,
)
