"""The one scorer: what tasks ask a language model, in batches of like length.

Three verbs, and one for choices that share a context. Whatever the size of the batches, whoever
answers them and however often the process is killed, the answers are the same, up to the last bits
of sums.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Final, NamedTuple, Protocol, TypeVar

import numpy as np

from corpus.runtime import Progress, SilentProgress
from evaluation.scoring.answer_log import AnswerLog
from evaluation.scoring.language_model import LanguageModel, answer
from evaluation.scoring.requests import Answer, Choices, Prompt, Request, Window, WindowScore

A = TypeVar("A", WindowScore, list)

TokenIds = Sequence[int] | np.ndarray
Batch = list[tuple[int, Request]]
"""Requests and their numbers."""


class BatchTokens(NamedTuple):
    """Tokens of a batch, padding included, at most."""

    read: int
    write: int
    """Read and written: every new token reads all of the model's weights."""


DEFAULT_BATCH: Final = BatchTokens(read=512, write=4096)


class Answering(Protocol):
    """Answers batches, in any order."""

    def __call__(self, batches: Iterable[Batch], /) -> Iterator[Mapping[int, Answer]]:
        """The answers of each batch, by the numbers of its requests."""
        ...


class Scorer:
    """A language model in use: it scores, it never learns.

    Args:
        block_size: Tokens that the model reads at most.
        end_of_text: The token that stands before a text without a context.
        answering: Who answers: `answer_here(model)`, or worker processes.
        stride: Tokens that a window of a long text scores; more than the block is the block.
        batch_tokens: How large batches are.
        log: Keeps the answers over a kill.
        progress: Is told of every request.
    """

    def __init__(
        self,
        block_size: int,
        end_of_text: int,
        answering: Answering,
        stride: int | None = None,
        batch_tokens: BatchTokens = DEFAULT_BATCH,
        log: AnswerLog | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.block_size = block_size
        self.end_of_text = end_of_text
        self.stride = min(block_size, stride or block_size)
        self._answering = answering
        self._batch_tokens = batch_tokens
        self._log = log
        self._progress = progress or SilentProgress()
        self._num_asked = 0

    def loglikelihood(
        self, pairs: Iterable[tuple[TokenIds, TokenIds]], num_top: int = 0
    ) -> list[WindowScore]:
        """Score each continuation given its context; a context too long is cut from the left.

        An empty context is end-of-text. With `num_top` so many of the likeliest first tokens are
        named too.

        Raises:
            ValueError: a continuation is empty or longer than the block.
        """
        questions = (self._question(context, [end]) for context, end in pairs)
        windows = [window for question in questions for window in question.windows()]
        windows = [replace(window, num_top=num_top) for window in windows]
        return self._ask(windows, WindowScore, "windows")

    def loglikelihood_rolling(self, streams: Iterable[TokenIds]) -> list[np.ndarray]:
        """The log-probability of each token of each stream in nats, every token scored once.

        Streams are scored on their own: the first token of each follows end-of-text.

        Returns:
            float64 (num_tokens,) per stream, in their order.
        """
        windows = [list(self._stream_windows(stream)) for stream in streams]
        scores = iter(self._ask([*chain.from_iterable(windows)], WindowScore, "windows"))
        return [
            np.concatenate([np.empty(0), *(score.logprobs for score in islice(scores, len(some)))])
            for some in windows
        ]

    def choices(
        self, questions: Iterable[tuple[TokenIds, Sequence[TokenIds]]]
    ) -> list[list[WindowScore]]:
        """Score several continuations of each context, which is read once.

        A context is cut from the left so that the longest continuation fits behind it. Of a
        continuation longer than the block as many tokens are scored as the block has.

        Raises:
            ValueError: a continuation is empty.
        """
        requests = [
            self._question(context, [end[: self.block_size] for end in ends])
            for context, ends in questions
        ]
        return self._ask(requests, list, "questions")

    def generate(self, prompts: Iterable[Prompt]) -> list[list[int]]:
        """Go on from each prompt; a prompt too long is cut from the left, to leave room.

        All prompts of a call have the same length to write, stop tokens, top_k and seed.

        Raises:
            ValueError: there is no room in the block for as many new tokens.
        """
        placed = [self._placed(index, prompt) for index, prompt in enumerate(prompts)]
        return self._ask(placed, list, "texts")

    def _ask(self, requests: Sequence[Request], kind: type[A], unit: str) -> list[A]:
        """The answers to requests of one kind, in their order."""
        first = self._num_asked
        self._num_asked += len(requests)
        numbered = list(enumerate(requests, start=first))
        answers = {} if self._log is None else self._log.known(first, len(requests))
        missing = [each for each in numbered if each[0] not in answers]
        self._progress.start(len(requests), unit)
        self._progress.advance(len(requests) - len(missing))
        for some in self._answering(self._batches(missing)):
            if self._log is not None:
                self._log.add(some)
            answers.update(some)
            self._progress.advance(len(some))
        in_order = (answers[number] for number, _ in numbered)
        return [answer for answer in in_order if isinstance(answer, kind)]

    def _batches(self, requests: Batch) -> Iterator[Batch]:
        """Requests of like length together."""
        order = sorted(requests, key=lambda each: each[1].num_inputs)
        while order:
            # The longest first: the batch that needs the most memory is the first to ask for it.
            longest = order[-1][1]
            read, write = self._batch_tokens
            num_tokens = write if isinstance(longest, Prompt) else read
            size = max(1, num_tokens // longest.num_inputs)
            yield order[-size:]
            del order[-size:]

    def _question(self, context: TokenIds, continuations: Sequence[TokenIds]) -> Choices:
        for each in continuations:
            if not 1 <= len(each) <= self.block_size:
                raise ValueError(
                    f"a continuation has 1 to {self.block_size} (the block) tokens, got {len(each)}"
                )
        room = self.block_size + 1 - max(map(len, continuations))
        token_ids = np.asarray(context if len(context) else [self.end_of_text], dtype=np.int64)
        ends = tuple(np.asarray(each, dtype=np.int64) for each in continuations)
        return Choices(token_ids[-room:], ends)

    def _stream_windows(self, stream: TokenIds) -> Iterator[Window]:
        token_ids = np.concatenate([[self.end_of_text], stream]).astype(np.int64)
        for start, first_scored, end in stream_spans(len(stream), self.block_size, self.stride):
            yield Window(token_ids[start : end + 1], end + 1 - first_scored)

    def _placed(self, index: int, prompt: Prompt) -> Prompt:
        room = self.block_size - prompt.max_new_tokens + 1  # the last new token is never read
        if room < 1:
            raise ValueError(f"{prompt.max_new_tokens} new tokens do not fit the block")
        token_ids = prompt.token_ids or (self.end_of_text,)
        return replace(prompt, token_ids=token_ids[-room:], index=index)


def answer_here(model: LanguageModel) -> Answering:
    """Let this process answer."""

    def answering(batches: Iterable[Batch]) -> Iterator[Mapping[int, Answer]]:
        for batch in batches:
            numbers = [number for number, _ in batch]
            yield dict(zip(numbers, answer(model, [each for _, each in batch]), strict=True))

    return answering


def stream_spans(num_tokens: int, block_size: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """The windows that score tokens 1..num_tokens of a stream once each; token 0 is given.

    Yields:
        (start, first_scored, end): tokens `start` to `end - 1` are the input, at most
        `block_size` of them; tokens `first_scored` to `end` are scored, at most `stride`.
    """
    for first_scored in range(1, num_tokens + 1, stride):
        end = min(first_scored + stride - 1, num_tokens)
        yield max(0, end - block_size), first_scored, end
