"""Learns the merges of a byte-level BPE from text, with gigatoken's trainer."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gigatoken.gigatoken_rs import TextFileSource, train_bpe

from corpus.atomic import no_room_named

# No UTF-8 text holds this byte, so it separates documents whatever they say.
_SEPARATOR = b"\xff"


def write_training_text(path: Path, texts: Iterable[str]) -> None:
    """Write `texts` one after the other into the file that `learn_merges` reads."""
    with no_room_named(path), path.open("wb") as file:
        for text in texts:
            file.write(text.encode())
            file.write(_SEPARATOR)


def learn_merges(text: Path, num_merges: int) -> list[tuple[bytes, bytes]]:
    """The merges of a file that `write_training_text` wrote, most frequent first.

    They depend on the texts only, not on their order or the number of cores. Words are split by
    GPT-2's pattern; of pairs that are equally frequent the one with the lower ids goes first, as
    in Hugging Face's trainer. The trainer maps the file and holds its distinct words with their
    counts: 2.7 GB for 2 GB of text with one new word in 80. It slows down over ties: many ids
    learnt from little text take longer than from much (50,000 from 80 MB: 32 s, from 300 MB: 9 s;
    30,000 from 80 MB: 5 s).

    gigatoken's trainer prints to stdout and stderr, so both are closed to the whole process
    meanwhile: call it in a worker process where others write to the terminal.

    Args:
        text: The training text.
        num_merges: Merges wanted; a text with fewer distinct pairs gives fewer.
    """
    source = TextFileSource([text], separator=_SEPARATOR)
    with _silenced():
        # The trainer counts the 256 bytes in.
        _, merges = train_bpe(source, 256 + num_merges, [], tie_breaking="huggingface")
    return merges


@contextmanager
def _silenced() -> Iterator[None]:
    # The trainer is Rust and writes to the descriptors themselves.
    saved = [os.dup(1), os.dup(2)]
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        for descriptor in (*saved, sink):
            os.close(descriptor)
