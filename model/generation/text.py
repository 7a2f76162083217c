"""Texts as a model writes them, piece by piece, never half a character."""

from codecs import getincrementaldecoder
from collections import deque
from collections.abc import Iterator, Sequence

from corpus.tokenizer import Tokenizer
from model.checkpoint import Checkpoint
from model.generation.generate import generate
from model.generation.settings import SampleConfig


class TextStream:
    """Turns token ids into text as they come: a token may end within a character of UTF-8."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._token_bytes = tokenizer.token_bytes
        self._decoder = getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token_id: int) -> str:
        """The text that is whole with this token; bytes that are no UTF-8 become U+FFFD."""
        return self._decoder.decode(self._token_bytes[token_id])

    def close(self) -> str:
        """What remains of a text that ends within a character: U+FFFD, or nothing."""
        return self._decoder.decode(b"", final=True)


def write_texts(
    checkpoint: Checkpoint, prompts: Sequence[str], config: SampleConfig
) -> Iterator[Iterator[str]]:
    """What the model writes after each prompt (not repeated), `batch_size` texts at once.

    A prompt begins a document; an empty one leaves the document to the model. End-of-text ends it.
    All texts of a batch grow together: while the first is shown, the others wait in memory.

    Args:
        checkpoint: The model, on any device, and its vocabulary.
        prompts: Texts to go on from; of a long one the model sees the end.
        config: How long, and how boldly. Equal prompts differ by their place.

    Yields:
        Per prompt the pieces of its text as they are written: exhaust them before the next one.
    """
    for first in range(0, len(prompts), config.batch_size):
        batch = prompts[first : first + config.batch_size]
        pieces = _pieces(checkpoint, batch, config, first)
        waiting: list[deque[str | None]] = [deque() for _ in batch]
        for own in waiting:
            yield _pieces_of(own, waiting, pieces)


def _pieces_of(
    own: deque[str | None],
    waiting: list[deque[str | None]],
    pieces: Iterator[tuple[int, str | None]],
) -> Iterator[str]:
    while True:
        while not own:
            place, piece = next(pieces)
            waiting[place].append(piece)
        piece = own.popleft()
        if piece is None:
            return
        yield piece


def _pieces(
    checkpoint: Checkpoint, prompts: Sequence[str], config: SampleConfig, first_index: int
) -> Iterator[tuple[int, str | None]]:
    """(place, some more of the text after `prompts[place]`); None once, when it has ended."""
    tokenizer = checkpoint.tokenizer
    token_ids = [[tokenizer.end_of_text, *tokenizer.encode(prompt)] for prompt in prompts]
    streams = {place: TextStream(tokenizer) for place in range(len(prompts))}
    stop, indices = (tokenizer.end_of_text,), range(first_index, first_index + len(prompts))
    for step in generate(checkpoint.model, token_ids, config, stop, indices):
        for place in list(streams):
            token = step[place]
            if token is not None:
                yield place, streams[place].push(token)
            else:
                yield place, streams.pop(place).close()
                yield place, None
    for place, stream in streams.items():
        yield place, stream.close()
        yield place, None
