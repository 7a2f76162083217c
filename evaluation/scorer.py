"""The one scorer: log-probabilities of tokens under a language model, in batches of like length.

Every task comes down to windows: token ids of which the last few are scored, each given all that
precede it. B: windows of a batch, T: tokens of the longest, C: width, V: vocabulary.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from model.gpt2 import GPT2

TokenIds = Sequence[int] | np.ndarray

# Logits of one batch: 16 million floats are 64 MB, and as much again for their softmax.
_MAX_LOGITS: Final = 1 << 24

# Windows that are sorted by length together: enough that a batch's lengths are nearly equal.
_SORTED_WINDOWS: Final = 1024


@dataclass(frozen=True)
class Window:
    """Token ids of which the last `num_scored` are to be predicted."""

    token_ids: np.ndarray
    """Context and scored tokens, at most block_size + 1: the last one is never an input."""
    num_scored: int


@dataclass(frozen=True)
class WindowScore:
    """What the model says of a window's scored tokens."""

    logprobs: np.ndarray
    """Their log-probabilities in nats, float64 (num_scored,)."""
    is_greedy: bool
    """Whether each of them is the model's most likely token."""

    @property
    def logprob(self) -> float:
        """The log-probability of them all, in nats."""
        return math.fsum(self.logprobs)


class Scorer:
    """A language model in use: it scores, it never learns.

    Args:
        model: A GPT-2, on any device.
        end_of_text: The token that stands before a text without a context.
        stride: Tokens that a window of a long text scores; None is the whole block.
        report: Called now and then with the number of windows scored so far.

    Raises:
        ValueError: the stride is longer than the block.
    """

    def __init__(
        self,
        model: GPT2,
        end_of_text: int,
        stride: int | None = None,
        report: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.model = model.eval()
        self.end_of_text = end_of_text
        self.block_size = model.config.block_size
        self.vocab_size = model.config.vocab_size
        self.stride = self.block_size if stride is None else stride
        self.report = report
        if not 1 <= self.stride <= self.block_size:
            raise ValueError(f"stride must be 1 to {self.block_size} (the block), got {stride}")
        self._device = model.wte.weight.device
        self._num_scored = 0

    def loglikelihood(self, pairs: Iterable[tuple[TokenIds, TokenIds]]) -> list[WindowScore]:
        """Score each continuation given its context; a context too long is cut from the left.

        Raises:
            ValueError: a continuation is empty or longer than the block.
        """
        return list(self.score(self._pair_window(*pair) for pair in pairs))

    def rolling_logprobs(self, streams: Iterable[TokenIds]) -> Iterator[np.ndarray]:
        """The log-probability of each token of each stream in nats, every token scored once.

        Streams are scored on their own: the first token of each follows end-of-text.

        Yields:
            float64 (num_tokens,) per stream, in their order.
        """
        lengths: deque[int] = deque()

        def windows() -> Iterator[Window]:
            for stream in streams:
                lengths.append(len(stream))
                yield from self._stream_windows(stream)

        parts: list[np.ndarray] = []
        num_missing = 0
        for score in self.score(windows()):
            while not num_missing:  # a new stream; those without a token have no window
                num_missing = lengths.popleft()
                if not num_missing:
                    yield np.empty(0)
            parts.append(score.logprobs)
            num_missing -= len(score.logprobs)
            if not num_missing:
                yield np.concatenate(parts)
                parts = []
        for _ in lengths:
            yield np.empty(0)

    def score(self, windows: Iterable[Window]) -> Iterator[WindowScore]:
        """Score windows in their order; a thousand are in memory at a time."""
        remaining = iter(windows)
        while some := list(islice(remaining, _SORTED_WINDOWS)):
            yield from self._score_sorted(some)
            self._num_scored += len(some)
            self.report(self._num_scored)

    def _pair_window(self, context: TokenIds, continuation: TokenIds) -> Window:
        if not 1 <= len(continuation) <= self.block_size:
            raise ValueError(
                f"a continuation has 1 to {self.block_size} (the block) tokens, "
                f"got {len(continuation)}"
            )
        prefix = context if len(context) else [self.end_of_text]
        token_ids = np.concatenate([prefix, continuation]).astype(np.int64)
        return Window(token_ids[-self.block_size - 1 :], len(continuation))

    def _stream_windows(self, stream: TokenIds) -> Iterator[Window]:
        token_ids = np.concatenate([[self.end_of_text], stream]).astype(np.int64)
        for start, first_scored, end in stream_spans(len(stream), self.block_size, self.stride):
            yield Window(token_ids[start : end + 1], end + 1 - first_scored)

    def _score_sorted(self, windows: list[Window]) -> list[WindowScore]:
        """Score windows in batches of like length; the result is in the order of `windows`."""
        order = sorted(range(len(windows)), key=lambda i: len(windows[i].token_ids))
        scores: dict[int, WindowScore] = {}
        while order:
            # The longest first: the batch that needs the most memory is the first to ask for it.
            length = len(windows[order[-1]].token_ids)
            batch_size = max(1, _MAX_LOGITS // (length * self.vocab_size))
            chosen, order = order[-batch_size:], order[:-batch_size]
            batch = self._score_batch([windows[i] for i in chosen])
            scores.update(zip(chosen, batch, strict=True))
        return [scores[i] for i in range(len(windows))]

    @torch.inference_mode()
    def _score_batch(self, windows: list[Window]) -> list[WindowScore]:
        length = max(len(window.token_ids) for window in windows) - 1
        # Padding stands on the right, where a causal model cannot see it.
        inputs = torch.full((len(windows), length), self.end_of_text)  # (B, T)
        rows, columns, targets = [], [], []
        for row, window in enumerate(windows):
            token_ids, num_scored = window.token_ids, window.num_scored
            inputs[row, : len(token_ids) - 1] = torch.from_numpy(token_ids[:-1].copy())
            rows.append(np.full(num_scored, row))
            columns.append(np.arange(len(token_ids) - 1 - num_scored, len(token_ids) - 1))
            targets.append(token_ids[-num_scored:])
        picked = self._logits(inputs.to(self._device), (_to_tensor(rows), _to_tensor(columns)))
        expected = _to_tensor(targets).to(self._device)
        logprobs = -F.cross_entropy(picked, expected, reduction="none").cpu()
        is_best = (picked.argmax(dim=-1) == expected).cpu()
        lengths = [window.num_scored for window in windows]
        return [
            # In double precision, to be summed: a document has thousands of tokens.
            WindowScore(logprob.double().numpy(), bool(best.all()))
            for logprob, best in zip(logprobs.split(lengths), is_best.split(lengths), strict=True)
        ]

    def _logits(self, inputs: Tensor, positions: tuple[Tensor, Tensor]) -> Tensor:
        """Logits at `positions` (rows, columns) of `inputs` (B, T) only: (scored, V), float32."""
        # In a small model the output layer is half of the work, and LAMBADA needs it for two
        # tokens of a hundred.
        return self.model.logits(self.model.hidden(inputs)[positions]).float()


def stream_spans(num_tokens: int, block_size: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """The windows that score tokens 1..num_tokens of a stream once each; token 0 is given.

    Yields:
        (start, first_scored, end): tokens `start` to `end - 1` are the input, at most
        `block_size` of them; tokens `first_scored` to `end` are scored, at most `stride`.
    """
    for first_scored in range(1, num_tokens + 1, stride):
        end = min(first_scored + stride - 1, num_tokens)
        yield max(0, end - block_size), first_scored, end


def _to_tensor(parts: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.concatenate(parts))
