"""Goes on from prompts, token by token, several texts at once.

A text may become longer than `block_size`: when the model has read so many tokens, it goes on with
the last half of them (the newest `block_size // 2`), read anew from position 0, as if the text
began there. So each token is written with at least half a block before it, and one pass over half
a block is paid for in as many tokens.
"""

import random
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from corpus.tokens.order import derive_seed
from model.generation.decoder import Decoder
from model.generation.draw import draw
from model.generation.settings import GenerationConfig
from model.gpt2 import GPT2


@dataclass(frozen=True)
class _Row:
    place: int
    tokens: list[int]
    """What the model has seen of the text and written, the newest token last."""
    generator: random.Random


def generate(
    model: GPT2,
    prompts: Sequence[Sequence[int]],
    config: GenerationConfig,
    stop: Container[int] = (),
    indices: Sequence[int] | None = None,
) -> Iterator[list[int | None]]:
    """Write on, one token per text and step, until each has ended.

    A text depends on its prompt, the seed and its index, not on the texts beside it (but for the
    last bits of sums).

    Args:
        model: On any device; it must not be trained or moved meanwhile.
        prompts: One or more, of at least one token id each; of more than `block_size` the last
            are read.
        config: How long, and how boldly.
        stop: The tokens that end a text; without any all have the full length.
        indices: The index of each text, by which equal prompts differ; None is 0, 1, ...

    Yields:
        The new token of each text; None for those that have ended. A stop token is not among them.

    Raises:
        ValueError: there is no prompt, or one is empty.
    """
    if not prompts or not all(prompts):
        raise ValueError("no prompt, or an empty one: a new text begins with end-of-text")
    block_size = model.config.block_size
    seeds = [derive_seed(config.seed, i) for i in indices or range(len(prompts))]
    rows = [
        _Row(i, list(prompt[-block_size:]), random.Random(seeds[i]))
        for i, prompt in enumerate(prompts)
    ]
    # The last new token is never read.
    room = max(len(row.tokens) for row in rows) + config.max_new_tokens - 1
    decoder = Decoder(model, len(rows), min(block_size, room))
    decoder.fill(range(len(rows)), [row.tokens[:-1] for row in rows])
    for _ in range(config.max_new_tokens):
        _slide(decoder, rows, block_size)
        logits = decoder.step([row.tokens[-1] for row in rows])
        new = draw(logits, config, [row.generator.random() for row in rows])
        going_on = [i for i, token in enumerate(new) if token not in stop]
        if not going_on:
            return
        step: list[int | None] = [None] * len(prompts)
        for i in going_on:
            rows[i].tokens.append(new[i])
            step[rows[i].place] = new[i]
        yield step
        if len(going_on) < len(rows):
            decoder.keep(going_on)
            rows = [rows[i] for i in going_on]


def _slide(decoder: Decoder, rows: list[_Row], block_size: int) -> None:
    """Let rows that have read a whole block begin anew with the newest half of it."""
    full = [i for i, length in enumerate(decoder.lengths.tolist()) if length == block_size]
    if full:
        half = max(1, block_size // 2)
        # The newest token is read by the step that follows.
        decoder.fill(full, [rows[i].tokens[-half:-1] for i in full])
