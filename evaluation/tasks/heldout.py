"""The held-out split: loss and perplexity per token, beside what word counts alone would give."""

import math
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from corpus.errors import UsageError
from corpus.shards import open_shard
from corpus.stage import data_shards
from corpus.tokenizer import Tokenizer as CorpusTokenizer
from corpus.tokens.stage import token_streams
from evaluation.metric import column, exponential, ratio
from evaluation.task import NoExamplesError, Row, Subject, Task, Tokenizer, Variant


def measure_heldout(subject: Subject) -> Iterator[Row]:
    """Each document of the val split: its loss, and that of the train split's token counts.

    A document is scored on its own, its first token given end-of-text, its end-of-text included.

    Raises:
        NoExamplesError: the val split has no document, no corpus was named, or one of another
            vocabulary than the model's.
        UsageError: the tokens are ids of a larger vocabulary than the model's.
    """
    if subject.tokens is None:
        raise NoExamplesError(
            "no corpus was named", hint="Name one whose val split the model has not seen: --corpus."
        )
    vocab_size = subject.tokenizer.vocab_size
    _check_tokenizer(subject.tokens, subject.tokenizer)
    unigrams = unigram_logprobs(subject.tokens, vocab_size)
    some = islice(val_documents(subject.tokens), subject.max_examples)
    documents = [check_vocabulary(token_ids, vocab_size) for token_ids in some]
    if not documents:
        raise NoExamplesError(
            f"the val split of {subject.tokens} has no document",
            hint="Raise tokens.val_fraction, or give the corpus more documents.",
        )
    scores = subject.scorer.loglikelihood_rolling(documents)
    for token_ids, logprobs in zip(documents, scores, strict=True):
        yield {
            "nats": -math.fsum(logprobs),
            "num_tokens": len(token_ids),
            "unigram_nats": -math.fsum(unigrams[token_ids]),
        }


def _check_tokenizer(tokens: Path, tokenizer: Tokenizer) -> None:
    """Ids of another vocabulary may be as small, and would be scored as nonsense."""
    folder = tokens / "tokenizer"
    if folder.is_dir() and CorpusTokenizer.load(folder).token_bytes != tokenizer.token_bytes:
        raise NoExamplesError(
            f"the tokens of {tokens} are of another vocabulary than the model's",
            hint="Name a corpus that was made with the model's tokenizer: [tokens] tokenizer.",
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


_TOKENS: Final = column("num_tokens")
_UNIGRAM: Final = "by the train split's token counts, add-one smoothed"
HELDOUT: Final = Task(
    "heldout",
    1,
    (("unigram_nats", pa.float64()),),
    (
        ratio("loss", "nats per token", column("nats"), _TOKENS),
        exponential("perplexity", "per token", column("nats"), _TOKENS),
        ratio("unigram_loss", f"nats per token {_UNIGRAM}", column("unigram_nats"), _TOKENS),
        ratio("gain", "unigram_loss - loss", _gain, _TOKENS),
    ),
    (Variant("documents", "each document alone", measure_heldout),),
    is_rolling=True,
)
