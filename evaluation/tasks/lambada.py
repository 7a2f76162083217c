"""LAMBADA: the last word of a passage that takes the whole passage to guess."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa

from corpus.benchmarks.language_modeling import lambada_passages, lambada_plain_passages
from evaluation.metric import column, exponential, percent
from evaluation.scoring.requests import WindowScore
from evaluation.task import (
    Row,
    Subject,
    Task,
    Tokenizer,
    Variant,
    benchmarks_folder,
    nothing_to_score,
)
from evaluation.tasks.stop_words import STOP_WORDS

Passages = Callable[[Path], Iterator[str]]

# Of the likeliest tokens so many are looked through for the first that is no stop word, as in the
# only published reconstruction (cybertronai/bflm).
_NUM_TOP: Final = 128


_STRAIGHT: Final = str.maketrans("\u201c\u201d\u2018\u2019", "\"\"''")


def measure_lambada(
    subject: Subject, passages: Passages, written: Callable[[str], str] = str.rstrip
) -> Iterator[Row]:
    """The target word of each passage: its log-probability, and whether greedy decoding gives it.

    The target is the last word with the space before it. With the stop-word filter its first
    token must be the likeliest of those that are no stop word by themselves, the rest as without:
    OpenAI's own filter is unpublished.

    Args:
        subject: The model.
        passages: Reads the file of a benchmarks folder.
        written: What becomes of a passage before it is scored.

    Raises:
        NotAvailableError: the file is missing.
        NoExamplesError: it is empty, or no benchmarks folder was named.
    """
    some = islice(passages(benchmarks_folder(subject)), subject.max_examples)
    words = [split_last_word(written(passage)) for passage in some]
    if not words:
        raise nothing_to_score()
    encode = subject.tokenizer.encode
    pairs = [(encode(context), encode(word)) for context, word in words]
    stop_tokens = _stop_tokens(subject.tokenizer)
    scores = subject.scorer.loglikelihood(pairs, num_top=_NUM_TOP)
    for (_, target), score in zip(pairs, scores, strict=True):
        yield _row(target, score, stop_tokens)


def split_last_word(passage: str) -> tuple[str, str]:
    """The passage up to its last space, and the rest with that space: GPT-2's words begin so.

    Two of the 5,153 passages end in glued words ("thought...Tess"), which count as one.
    """
    context, _, word = passage.rpartition(" ")
    return context, f" {word}" if context else word


def straighten(passage: str) -> str:
    """A passage with straight quotes and a line end before it (openai/gpt-2 issue 131)."""
    return "\n" + passage.translate(_STRAIGHT).strip()


def _stop_tokens(tokenizer: Tokenizer) -> frozenset[int]:
    words = {word.encode() for word in STOP_WORDS}
    pieces = enumerate(tokenizer.token_bytes)
    return frozenset(token for token, piece in pieces if piece.strip().lower() in words)


def _row(target: list[int], score: WindowScore, stop_tokens: frozenset[int]) -> Row:
    first = next((token for token in score.top if token not in stop_tokens), None)
    return {
        "nats": -score.logprob,
        "num_tokens": len(target),
        "is_correct": score.is_greedy,
        "is_correct_filtered": first == target[0] and bool(score.greedy[1:].all()),
        "last_token_nats": -float(score.logprobs[-1]),
        "is_last_token_correct": bool(score.greedy[-1]),
    }


_COLUMNS: Final = (
    ("is_correct", pa.bool_()),
    ("is_correct_filtered", pa.bool_()),
    ("last_token_nats", pa.float64()),
    ("is_last_token_correct", pa.bool_()),
)
_LAST: Final = "last token, given the ones before it"
LAMBADA: Final = Task(
    "lambada",
    1,
    _COLUMNS,
    (
        # The mean is over passages, of the whole word's log-probability, however many tokens.
        exponential("perplexity", "last word, per passage", column("nats")),
        percent("accuracy_percent", "last word, greedy", "is_correct"),
        percent(
            "accuracy_filtered_percent", "last word, greedy, no stop words", "is_correct_filtered"
        ),
        exponential("last_token_perplexity", _LAST, column("last_token_nats")),
        percent("last_token_accuracy_percent", f"{_LAST}, greedy", "is_last_token_correct"),
    ),
    (
        Variant(
            "openai",
            "OpenAI's file",
            partial(measure_lambada, passages=lambada_passages),
        ),
        Variant(
            "openai_straight",
            "OpenAI's file, straight quotes, after a line end",
            partial(measure_lambada, passages=lambada_passages, written=straighten),
        ),
        Variant(
            "plain_text",
            "the original file: lower case, split into tokens",
            partial(measure_lambada, passages=lambada_plain_passages),
        ),
    ),
)
