"""A language model as the scorer asks it: batches of requests in, answers out.

B: requests of a batch, T: tokens of the longest, C: width, V: vocabulary.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Literal, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from evaluation.scoring.requests import (
    Answer,
    Choices,
    Prompt,
    Request,
    Window,
    WindowScore,
)
from model.generation.generate import generate
from model.generation.settings import GenerationConfig
from model.gpt2 import GPT2, Places

Precision = Literal["fp32", "bf16"]

# Logits at a time: 16 million floats are 64 MB, and as much again for their softmax.
_MAX_LOGITS: Final = 1 << 24

_Places = tuple[np.ndarray, np.ndarray]


class LanguageModel(Protocol):
    """What answers requests; each batch holds requests of one kind."""

    block_size: int
    """Tokens that it reads at most."""
    vocab_size: int
    width: int
    """C: numbers that it holds of a token between two layers."""

    def score(self, windows: Sequence[Window]) -> list[WindowScore]:
        """The log-probabilities of each window's last tokens."""
        ...

    def choose(self, questions: Sequence[Choices]) -> list[list[WindowScore]]:
        """Of each question the log-probabilities of each continuation."""
        ...

    def write(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        """The tokens that follow each prompt; all have one length, stop, top_k and seed."""
        ...


class GPT2LanguageModel:
    """A GPT-2 of ours, on any device.

    Args:
        model: It is put into evaluation mode.
        precision: bf16 rounds products to 8 bits, and takes half the memory and time on GPUs.
        shares_contexts: Whether choices read their context once; the numbers are the same.
    """

    def __init__(
        self, model: GPT2, precision: Precision = "fp32", *, shares_contexts: bool = True
    ) -> None:
        self.model = model.eval()
        self.block_size = model.config.block_size
        self.vocab_size = model.config.vocab_size
        self.width = model.config.n_embd
        self._device = model.wte.weight.device
        self._precision = precision
        self._shares_contexts = shares_contexts

    @torch.inference_mode()
    def score(self, windows: Sequence[Window]) -> list[WindowScore]:
        """As LanguageModel."""
        inputs = pad([window.token_ids[:-1] for window in windows])
        with self._autocast():
            places, targets, lengths = scored_places(windows)
            hidden = self.model.hidden(inputs.to(self._device), places=self._here(places))
            return self._score(hidden, targets, lengths, windows[0].num_top)

    @torch.inference_mode()
    def choose(self, questions: Sequence[Choices]) -> list[list[WindowScore]]:
        """As LanguageModel: each question is one row, context first, with a mask.

        A continuation sees the context and itself, and stands at the positions behind the
        context, so it is read as if it were alone.
        """
        if not self._shares_contexts:
            return choose_by_windows(self, questions)
        layouts = [_Layout(question) for question in questions]
        inputs = pad([layout.token_ids for layout in layouts]).to(self._device)
        num_tokens = inputs.shape[1]
        positions = pad([layout.positions for layout in layouts]).to(self._device)
        mask = torch.stack([layout.mask(num_tokens) for layout in layouts]).to(self._device)
        rows = [np.full(len(layout.columns), row) for row, layout in enumerate(layouts)]
        columns = [layout.columns for layout in layouts]
        targets = [np.concatenate(question.continuations) for question in questions]
        lengths = [len(each) for question in questions for each in question.continuations]
        with self._autocast():
            places = self._here((np.concatenate(rows), np.concatenate(columns)))
            hidden = self.model.hidden(inputs, positions, mask[:, None], places)
            scores = iter(self._score(hidden, np.concatenate(targets), lengths))
        return [[next(scores) for _ in question.continuations] for question in questions]

    def write(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        """As LanguageModel."""
        first = prompts[0]
        config = GenerationConfig(
            max_new_tokens=first.max_new_tokens,
            temperature=0 if first.top_k is None else 1,
            top_k=first.top_k or 1,
            seed=first.seed,
        )
        texts: list[list[int]] = [[] for _ in prompts]
        token_ids = [prompt.token_ids for prompt in prompts]
        indices = [prompt.index for prompt in prompts]
        with self._autocast():
            for step in generate(self.model, token_ids, config, first.stop, indices):
                for text, token in zip(texts, step, strict=True):
                    if token is not None:
                        text.append(token)
        return texts

    def _autocast(self) -> AbstractContextManager[object]:
        if self._precision == "fp32":
            return nullcontext()
        return torch.autocast(self._device.type, torch.bfloat16)

    def _here(self, places: _Places) -> Places:
        rows, columns = (torch.from_numpy(each).to(self._device) for each in places)
        return rows, columns

    def _score(
        self, hidden: Tensor, targets: np.ndarray, lengths: list[int], num_top: int = 0
    ) -> list[WindowScore]:
        """The scores of `targets` by `hidden` (scored, C), split by `lengths`.

        In a small model the output layer is half of the work, and LAMBADA needs it for two
        tokens of a hundred.
        """
        chunk = max(1, _MAX_LOGITS // self.vocab_size)
        logits = (self.model.logits(part).float() for part in hidden.split(chunk))
        expected = torch.from_numpy(targets).to(self._device)
        return to_scores(logits, expected, lengths, num_top)


def answer(model: LanguageModel, batch: Sequence[Request]) -> list[Answer]:
    """Let a model answer a batch of requests of one kind."""
    if isinstance(batch[0], Window):
        return [*model.score([each for each in batch if isinstance(each, Window)])]
    if isinstance(batch[0], Choices):
        return [*model.choose([each for each in batch if isinstance(each, Choices)])]
    return [*model.write([each for each in batch if isinstance(each, Prompt)])]


def choose_by_windows(
    model: LanguageModel, questions: Sequence[Choices]
) -> list[list[WindowScore]]:
    """Choices as a window per continuation, the context read for each; a question at a time."""
    return [model.score(question.windows()) for question in questions]


def pad(rows: Sequence[np.ndarray]) -> Tensor:
    """(B, T) int64 on the CPU; padding stands on the right, where a causal model cannot see it."""
    padded = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for row, values in zip(padded, rows, strict=True):
        row[: len(values)] = values
    return torch.from_numpy(padded)


def scored_places(windows: Sequence[Window]) -> tuple[_Places, np.ndarray, list[int]]:
    """Where the padded inputs of `windows` predict what is scored.

    Returns:
        Rows and columns, each (scored,); the tokens to be predicted there; how many per window.
    """
    rows, columns, targets = [], [], []
    for row, window in enumerate(windows):
        rows.append(np.full(window.num_scored, row))
        columns.append(np.arange(window.num_inputs - window.num_scored, window.num_inputs))
        targets.append(window.token_ids[-window.num_scored :].astype(np.int64))
    places = np.concatenate(rows), np.concatenate(columns)
    return places, np.concatenate(targets), [window.num_scored for window in windows]


def to_scores(
    chunks_of_logits: Iterator[Tensor], targets: Tensor, lengths: list[int], num_top: int = 0
) -> list[WindowScore]:
    """What logits (scored, V), given in chunks of rows, say of `targets` (scored,).

    In double precision from here on, to be summed: a document has thousands of tokens.
    """
    ends = np.cumsum(lengths)
    is_first = torch.zeros(len(targets), dtype=torch.bool, device=targets.device)
    is_first[torch.from_numpy(ends - lengths)] = True
    logprobs, greedy, top = [], [], []
    start = 0
    for logits in chunks_of_logits:
        rows = slice(start, start + len(logits))
        start += len(logits)
        logprobs.append(-F.cross_entropy(logits, targets[rows], reduction="none"))
        greedy.append(logits.argmax(dim=-1) == targets[rows])
        if num_top:
            likeliest = logits[is_first[rows]].topk(min(num_top, logits.shape[-1])).indices
            top += map(tuple, likeliest.tolist())
    parts = (
        np.split(torch.cat(logprobs).double().cpu().numpy(), ends[:-1]),
        np.split(torch.cat(greedy).cpu().numpy(), ends[:-1]),
        top or [()] * len(lengths),
    )
    return [WindowScore(*each) for each in zip(*parts, strict=True)]


class _Layout:
    """A question in one row: context, then each continuation without its last token."""

    def __init__(self, question: Choices) -> None:
        context, ends = question.context, question.continuations
        inputs = [len(end) - 1 for end in ends]
        self.token_ids = np.concatenate([context, *(end[:-1] for end in ends)]).astype(np.int64)
        parts = [np.arange(len(context)), *(len(context) + np.arange(n) for n in inputs)]
        self.positions = np.concatenate(parts)
        self._owner = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        # A continuation's first token is predicted where the context ends, the next ones by it.
        starts = len(context) + np.cumsum([0, *inputs[:-1]])
        self.columns = np.concatenate(
            [[len(context) - 1, *range(s, s + n)] for s, n in zip(starts, inputs, strict=True)]
        )

    def mask(self, num_tokens: int) -> Tensor:
        """(num_tokens, num_tokens): which token may see which; padding sees itself."""
        owner = torch.full((num_tokens,), -1)
        owner[: len(self._owner)] = torch.from_numpy(self._owner)
        sees = (owner[:, None] == owner) | ((owner == 0) & (owner[:, None] >= 0))
        return (sees & torch.ones_like(sees).tril()) | torch.eye(num_tokens, dtype=torch.bool)
