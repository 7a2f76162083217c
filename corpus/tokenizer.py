"""GPT-2's byte-level BPE: reads and writes OpenAI's two files, trains new ones, encodes in bulk.

Encoding and training are gigatoken's; the ids, the files and the promise are GPT-2's: 256 bytes in
the order of its byte table, one id per merge in the order learnt, `<|endoftext|>` last.
"""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Self

import awkward as ak
import gigatoken
import numpy as np
from gigatoken.gigatoken_rs import TextFileSource, train_bpe

from corpus.atomic import no_room_named, write_bytes
from corpus.errors import WebtextError

ENCODER = "encoder.json"
MERGES = "vocab.bpe"
END_OF_TEXT = "<|endoftext|>"
MIN_VOCAB_SIZE = 257
"""256 bytes and end-of-text: a vocabulary without a single merge."""

# No UTF-8 text holds this byte, so it separates documents whatever they say.
_SEPARATOR = b"\xff"


@dataclass(frozen=True)
class Tokenizer:
    """A byte-level BPE vocabulary; any text can be encoded, and decoding gives it back.

    Strings such as `<|endoftext|>` in a text are text: no input can produce a control token.
    """

    encoder: dict[str, int]
    """Token, in GPT-2's printable spelling of bytes, to its id."""
    merges: list[tuple[str, str]]
    """Pairs in the order they were learnt, in the same spelling."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read `encoder.json` and `vocab.bpe` as OpenAI publishes them.

        Raises:
            WebtextError: a file is missing, or the two are no vocabulary.
        """
        try:
            encoder = json.loads((folder / ENCODER).read_text(encoding="utf-8"))
            lines = (folder / MERGES).read_text(encoding="utf-8").split("\n")
            merges = [_parse_merge(line) for line in lines if line and line[:9] != "#version:"]
            return cls(encoder, merges).validated()
        except FileNotFoundError as exc:
            raise _bad_folder(folder, f"{exc.filename} is missing") from exc
        except (ValueError, AttributeError, TypeError) as exc:
            raise _bad_folder(folder, str(exc)) from exc

    @classmethod
    def train(cls, texts: Iterable[str] | Path, vocab_size: int) -> Self:
        """Learn a vocabulary of up to `vocab_size` ids.

        The result depends on the texts only, not on their order or the number of cores. A corpus
        with fewer distinct pairs than that gives fewer ids: read `vocab_size` of the result.

        gigatoken's trainer prints to stdout and stderr, so both are closed to the whole process
        meanwhile: call it in a worker process where others write to the terminal.

        Args:
            texts: The documents, or a file that `write_training_text` wrote.
            vocab_size: Ids wanted, end-of-text included.

        Raises:
            ValueError: `vocab_size` has no room for the 256 bytes and end-of-text.
        """
        if vocab_size < MIN_VOCAB_SIZE:
            raise ValueError(f"vocab_size must be at least {MIN_VOCAB_SIZE}, got {vocab_size}")
        if not isinstance(texts, Path):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "texts"
                write_training_text(path, texts)
                return cls.train(path, vocab_size)
        source = TextFileSource([texts], separator=_SEPARATOR)
        with _silenced():
            _, pairs = train_bpe(source, vocab_size - 1, [], tie_breaking="huggingface")
        return cls.from_merges([(_spell(left), _spell(right)) for left, right in pairs])

    @classmethod
    def from_merges(cls, merges: list[tuple[str, str]]) -> Self:
        """The vocabulary that `merges` make, with ids in GPT-2's order."""
        # Two merges can spell one token ("aa"+"a", "a"+"aa"): dict.fromkeys gives it one id.
        tokens = dict.fromkeys([*_BYTE_SPELLING, *(left + right for left, right in merges)])
        return cls({token: i for i, token in enumerate([*tokens, END_OF_TEXT])}, merges)

    def save(self, folder: Path) -> None:
        """Write `encoder.json` and, last, `vocab.bpe` into `folder`, each atomically."""
        merges = "".join(f"{left} {right}\n" for left, right in self.merges)
        write_bytes(folder / ENCODER, json.dumps(self.encoder).encode())
        write_bytes(folder / MERGES, f"#version: 0.2\n{merges}".encode())

    def validated(self) -> Self:
        """Check that ids are 0..n-1, and that bytes, merges and end-of-text all have one.

        Raises:
            ValueError: they are not, or have not.
        """
        if sorted(self.encoder.values()) != list(range(len(self.encoder))):
            raise ValueError("the ids are not 0, 1, 2, ... without a gap")
        needed = [*_BYTE_SPELLING, END_OF_TEXT, *(left + right for left, right in self.merges)]
        for token in needed:
            if token not in self.encoder:
                raise ValueError(f"{ENCODER} has no id for {token!r}")
        return self

    @property
    def vocab_size(self) -> int:
        """Number of ids, end-of-text included."""
        return len(self.encoder)

    @property
    def end_of_text(self) -> int:
        """The id of `<|endoftext|>`, which ends every document."""
        return self.encoder[END_OF_TEXT]

    def encode(self, text: str) -> list[int]:
        """The token ids of `text`."""
        return self._backend.encode(text).tolist()

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The token ids of each text, uint32: on all cores, on one in a worker process."""
        if not texts:
            return []
        array = self._backend.encode_batch(list(texts))
        token_ids = ak.to_numpy(ak.flatten(array))
        offsets = np.cumsum([0, *ak.to_numpy(ak.num(array))])
        return [token_ids[i:j] for i, j in pairwise(offsets.tolist())]

    def decode(self, token_ids: Sequence[int] | np.ndarray) -> str:
        """The text of `token_ids`; bytes that are no UTF-8 become U+FFFD.

        Raises:
            ValueError: an id is not in the vocabulary.
        """
        decoder = self._decoder
        try:
            spelled = [decoder[i] for i in np.asarray(token_ids, dtype=np.int64).tolist()]
        except KeyError as exc:
            raise ValueError(f"no token has id {exc}; there are {self.vocab_size}") from exc
        return b"".join(spelled).decode("utf-8", errors="replace")

    @cached_property
    def _decoder(self) -> dict[int, bytes]:
        decoder = {i: _unspell(token) for token, i in self.encoder.items()}
        return decoder | {self.end_of_text: END_OF_TEXT.encode()}

    @cached_property
    def _backend(self) -> gigatoken.Tokenizer:
        # No added_tokens: gigatoken would find them in texts.
        model = {"type": "BPE", "vocab": self.encoder, "merges": [" ".join(m) for m in self.merges]}
        pre_tokenizer = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
        description = {
            "version": "1.0",
            "added_tokens": [],
            "pre_tokenizer": pre_tokenizer,
            "decoder": {"type": "ByteLevel"},
            "model": model,
        }
        return gigatoken.Tokenizer.from_json(json.dumps(description))


def write_training_text(path: Path, texts: Iterable[str]) -> None:
    """Write `texts` one after the other into the file that `Tokenizer.train` reads."""
    with no_room_named(path), path.open("wb") as file:
        for text in texts:
            file.write(text.encode())
            file.write(_SEPARATOR)


def _byte_table() -> dict[int, str]:
    """GPT-2's spelling of each byte: printable Latin-1 as itself, the rest from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {byte: chr(byte) for byte in printable}
    return table | {byte: chr(256 + i) for i, byte in enumerate(others)}


_SPELLING = _byte_table()
_BYTE_SPELLING = list(_SPELLING.values())
_BYTES = {character: byte for byte, character in _SPELLING.items()}


def _spell(token: bytes) -> str:
    return "".join(_SPELLING[byte] for byte in token)


def _unspell(token: str) -> bytes:
    # A character outside the table can only be in a foreign special token: its own UTF-8 then.
    if all(character in _BYTES for character in token):
        return bytes(_BYTES[character] for character in token)
    return token.encode()


def _parse_merge(line: str) -> tuple[str, str]:
    left, right = line.split(" ")
    return left, right


def _bad_folder(folder: Path, reason: str) -> WebtextError:
    return WebtextError(
        f"{folder} holds no GPT-2 vocabulary: {reason}",
        hint=f"Give a folder with {ENCODER} and {MERGES} as OpenAI publishes them.",
    )


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
