"""What a task asks of a language model, and what it answers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np


@dataclass(frozen=True)
class Window:
    """Token ids of which the last `num_scored` are to be predicted."""

    token_ids: np.ndarray
    """Context and scored tokens, at most block_size + 1: the last one is never an input."""
    num_scored: int
    num_top: int = 0
    """How many of the likeliest tokens to name in the place of the first one scored."""

    @property
    def num_inputs(self) -> int:
        """Tokens that the model reads."""
        return len(self.token_ids) - 1


@dataclass(frozen=True)
class Choices:
    """A context and several texts that may follow it, each to be predicted given the context."""

    context: np.ndarray
    """At least one token; with the longest continuation at most block_size + 1."""
    continuations: tuple[np.ndarray, ...]
    """One or more, of at least one token each."""

    @property
    def num_inputs(self) -> int:
        """Tokens that the model reads, if it reads the context once."""
        return len(self.context) + sum(len(each) - 1 for each in self.continuations)

    def windows(self) -> list[Window]:
        """The same as one question per continuation."""
        return [
            Window(np.concatenate([self.context, each]), len(each)) for each in self.continuations
        ]


def split_common(texts: Sequence[Sequence[int]]) -> tuple[Sequence[int], list[Sequence[int]]]:
    """What several texts begin with alike, and the rest of each, of at least one token.

    The rests' probabilities, given that beginning, order the texts as the whole ones do.
    """
    shortest = min(map(len, texts)) - 1
    columns = zip(*(text[:shortest] for text in texts), strict=True)
    num_common = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
    return texts[0][:num_common], [text[num_common:] for text in texts]


@dataclass(frozen=True)
class Prompt:
    """A text to go on with."""

    token_ids: tuple[int, ...]
    max_new_tokens: int
    stop: frozenset[int] = frozenset()
    """Tokens that end the text, and are no part of it."""
    top_k: int | None = None
    """Draw among so many of the likeliest tokens; None takes the likeliest (greedy)."""
    seed: int = 0
    """Of the draws, with the prompt's place in the call."""
    index: int = 0
    """That place."""

    @property
    def num_inputs(self) -> int:
        """Tokens that the model reads."""
        return len(self.token_ids) + self.max_new_tokens - 1


@dataclass(frozen=True)
class WindowScore:
    """What the model says of a window's scored tokens."""

    logprobs: np.ndarray
    """Their log-probabilities in nats, float64 (num_scored,)."""
    greedy: np.ndarray
    """Whether each of them is the model's most likely token, bool (num_scored,)."""
    top: tuple[int, ...] = ()
    """The likeliest tokens in the place of the first one, the likeliest first."""

    @property
    def logprob(self) -> float:
        """The log-probability of them all, in nats."""
        return math.fsum(self.logprobs)

    @property
    def is_greedy(self) -> bool:
        """Whether greedy decoding would write them all."""
        return bool(self.greedy.all())


Request = Window | Choices | Prompt
Answer = WindowScore | list[WindowScore] | list[int]
"""Of a window its score, of choices a score each, of a prompt the new tokens."""
