"""The held-out split: loss and perplexity per token, beside what word counts alone would give."""

import math
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Final

import numpy as np

from corpus.errors import UsageError
from corpus.shards import open_shard
from corpus.stage import data_shards
from corpus.tokens import token_streams
from evaluation.task import NoExamplesError, Score, Subject, Task

_UNIGRAM_PROTOCOL: Final = "train split's token counts, add-one smoothed, on the same tokens"


def score_heldout(subject: Subject) -> list[Score]:
    """Loss in nats and perplexity per token of the val split, and the gain over unigrams.

    A document is scored on its own, its first token given end-of-text, its end-of-text included.

    Raises:
        NoExamplesError: the val split has no document.
        UsageError: the tokens are ids of a larger vocabulary than the model's.
    """
    documents = islice(val_documents(subject.tokens), subject.max_examples)
    vocab_size = subject.scorer.vocab_size
    counts = np.zeros(vocab_size, dtype=np.int64)
    num_documents = 0

    def streams() -> Iterator[np.ndarray]:
        nonlocal counts, num_documents
        for token_ids in documents:
            counts += count_tokens(token_ids, vocab_size)
            num_documents += 1
            yield token_ids

    logprob = math.fsum(subject.scorer.rolling_loglikelihood(streams()))
    num_tokens = int(counts.sum())
    if not num_tokens:
        raise NoExamplesError(
            f"the val split of {subject.tokens} has no document",
            hint="Raise tokens.val_fraction, or give the corpus more documents.",
        )
    loss = -logprob / num_tokens
    unigram_loss = -float(counts @ unigram_logprobs(subject.tokens, vocab_size)) / num_tokens
    protocol = f"per token, each document alone, stride {subject.scorer.stride}"
    return [
        Score("loss", loss, num_documents, num_tokens, f"nats {protocol}"),
        Score("perplexity", math.exp(loss), num_documents, num_tokens, protocol),
        Score("unigram_loss", unigram_loss, num_documents, num_tokens, _UNIGRAM_PROTOCOL),
        Score(
            "gain", unigram_loss - loss, num_documents, num_tokens, "unigram_loss - loss, in nats"
        ),
    ]


def unigram_logprobs(tokens: Path, vocab_size: int) -> np.ndarray:
    """Log-probability of each token by its count in the train split, plus one; (vocab_size,)."""
    counts = np.ones(vocab_size, dtype=np.int64)
    for stream in token_streams(data_shards(tokens, "train-")):
        counts += count_tokens(stream, vocab_size)
    return np.log(counts) - math.log(counts.sum())


def count_tokens(token_ids: np.ndarray, vocab_size: int) -> np.ndarray:
    """How often each token of the vocabulary occurs, int64 (vocab_size,).

    Raises:
        UsageError: a token is not in the vocabulary.
    """
    counts = np.bincount(token_ids, minlength=vocab_size)
    if len(counts) > vocab_size:
        raise UsageError(
            f"token {len(counts) - 1} is not in the model's vocabulary of {vocab_size}",
            hint="Score the model with the tokens folder that it was trained on.",
        )
    return counts


def val_documents(tokens: Path) -> Iterator[np.ndarray]:
    """The token ids of each held-out document, end-of-text at their end."""
    for path in data_shards(tokens, "val-"):
        reader = open_shard(path)
        for i in range(reader.num_record_batches):
            column = reader.get_batch(i).column("tokens")
            values, offsets = column.values.to_numpy(), column.offsets.to_numpy()
            for start, end in pairwise(offsets):
                yield values[start:end]


HELDOUT: Final = Task("heldout", ("loss", "perplexity", "unigram_loss", "gain"), score_heldout)
