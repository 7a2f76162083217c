"""A language model that writes what a test tells it to."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from corpus.tokenizer import Tokenizer
from evaluation.scoring.requests import Choices, Prompt, Window, WindowScore
from evaluation.scoring.scorer import Scorer, answer_here
from evaluation.task import Subject

MANY_TOKENS = 100_000


class ScriptedModel:
    """Writes `answers(prompt)` until it is full or at a stop token.

    Each of its words is as probable as `confidence(text)` says, by default certain; of choices that
    is the probability of the whole text.
    """

    vocab_size = 50257
    width = 768

    def __init__(
        self,
        tokenizer: Tokenizer,
        answers: Callable[[str], str],
        confidence: Callable[[str], float] = lambda text: 1.0,
        block_size: int = MANY_TOKENS,
    ) -> None:
        self.block_size = block_size
        self.prompts: list[str] = []
        self.asked: list[Prompt] = []
        self._tokenizer = tokenizer
        self._answers = answers
        self._confidence = confidence

    def write(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        self.asked += prompts
        return [self._write(prompt) for prompt in prompts]

    def _write(self, prompt: Prompt) -> list[int]:
        text = self._tokenizer.decode(prompt.token_ids).removeprefix("<|endoftext|>")
        self.prompts.append(text)
        token_ids = self._tokenizer.encode(self._answers(text))[: prompt.max_new_tokens]
        ends = [i for i, token in enumerate(token_ids) if token in prompt.stop]
        return token_ids[: ends[0]] if ends else token_ids

    def score(self, windows: Sequence[Window]) -> list[WindowScore]:
        return [self._score(window) for window in windows]

    def _score(self, window: Window) -> WindowScore:
        scored = window.token_ids[-window.num_scored :]
        logprobs = np.zeros(window.num_scored)
        logprobs[0] = math.log(self._confidence(self._tokenizer.decode(scored)))
        return WindowScore(logprobs, logprobs == 0)

    def choose(self, questions: Sequence[Choices]) -> list[list[WindowScore]]:
        return [
            [self._choice([*question.context, *end], len(end)) for end in question.continuations]
            for question in questions
        ]

    def _choice(self, token_ids: list[int], num_scored: int) -> WindowScore:
        text = self._tokenizer.decode(token_ids).removeprefix("<|endoftext|>")
        logprobs = np.zeros(num_scored)
        logprobs[-1] = math.log(self._confidence(text))
        return WindowScore(logprobs, logprobs == 0)

    def subject(self, benchmarks: Path) -> Subject:
        scorer = Scorer(self.block_size, self._tokenizer.end_of_text, answer_here(self))
        return Subject(scorer, self._tokenizer, None, benchmarks, None)
