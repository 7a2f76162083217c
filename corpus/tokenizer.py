"""GPT-2's byte-level BPE: reads and writes its published files, trains new ones, encodes in bulk.

Encoding and training are gigatoken's; the ids, the files and the promise are GPT-2's: 256 bytes in
the order of its byte table, one id per merge in the order learnt, `<|endoftext|>` last.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Self

import awkward as ak
import gigatoken
import numpy as np
import pyarrow as pa

from corpus.atomic import write_bytes
from corpus.byte_level import (
    BYTE_SPELLINGS,
    describe_tokenizer,
    parse_description,
    spell,
    unspell,
)
from corpus.errors import WebtextError
from corpus.merges import learn_merges, write_training_text

ENCODER = "encoder.json"
MERGES = "vocab.bpe"
HUGGING_FACE = "tokenizer.json"
_NAMES = ((ENCODER, MERGES), ("vocab.json", "merges.txt"))
"""OpenAI's names of the two files, and Hugging Face's of the same."""
END_OF_TEXT = "<|endoftext|>"
MIN_VOCAB_SIZE = 257
"""256 bytes and end-of-text: a vocabulary without a single merge."""


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

        Without them Hugging Face's copies, `vocab.json` and `merges.txt`, or `tokenizer.json`.

        Raises:
            WebtextError: a file is missing, or they are no vocabulary of GPT-2's kind.
        """
        # One file of a pair decides: a folder that lost the other is damaged.
        pairs = [pair for pair in _NAMES if any((folder / name).is_file() for name in pair)]
        try:
            if not pairs and (folder / HUGGING_FACE).is_file():
                return cls(*parse_description((folder / HUGGING_FACE).read_bytes())).validated()
            encoder_file, merges_file = (pairs or _NAMES)[0]
            encoder = json.loads((folder / encoder_file).read_text(encoding="utf-8"))
            lines = (folder / merges_file).read_text(encoding="utf-8").split("\n")
            merges = [_parse_merge(line) for line in lines if line and line[:9] != "#version:"]
            return cls(encoder, merges).validated()
        except FileNotFoundError as exc:
            raise _bad_folder(folder, f"{exc.filename} is missing") from exc
        except (ValueError, KeyError, AttributeError, TypeError) as exc:
            raise _bad_folder(folder, str(exc)) from exc

    @classmethod
    def train(cls, texts: Iterable[str] | Path, vocab_size: int) -> Self:
        """Learn a vocabulary of up to `vocab_size` ids.

        The result depends on the texts only, not on their order or the number of cores. A corpus
        with fewer distinct pairs than that gives fewer ids: read `vocab_size` of the result.

        Standard output and error are closed to the whole process meanwhile: see `learn_merges`.

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
        pairs = learn_merges(texts, vocab_size - MIN_VOCAB_SIZE)
        return cls.from_merges([(spell(left), spell(right)) for left, right in pairs])

    @classmethod
    def from_merges(cls, merges: list[tuple[str, str]]) -> Self:
        """The vocabulary that `merges` make, with ids in GPT-2's order."""
        # Two merges can spell one token ("aa"+"a", "a"+"aa"): dict.fromkeys gives it one id.
        tokens = dict.fromkeys([*BYTE_SPELLINGS, *(left + right for left, right in merges)])
        return cls({token: i for i, token in enumerate([*tokens, END_OF_TEXT])}, merges)

    def save(self, folder: Path) -> None:
        """Write OpenAI's two files and Hugging Face's into `folder`, each atomically.

        `vocab.bpe` is the last, so its presence means that the vocabulary is whole. Readers of
        `tokenizer.json` take `<|endoftext|>` in a text for the control token, as they do with
        GPT-2's own; ours does not.
        """
        description = describe_tokenizer(self.encoder, self.merges, special=[END_OF_TEXT])
        write_bytes(folder / ENCODER, self._encoder_bytes)
        write_bytes(folder / HUGGING_FACE, description)
        write_bytes(folder / MERGES, self._merges_bytes)

    def validated(self) -> Self:
        """Check that ids are 0..n-1, and that bytes, merges and end-of-text all have one.

        Raises:
            ValueError: they are not, or have not.
        """
        if sorted(self.encoder.values()) != list(range(len(self.encoder))):
            raise ValueError("the ids are not 0, 1, 2, ... without a gap")
        needed = [*BYTE_SPELLINGS, END_OF_TEXT, *(left + right for left, right in self.merges)]
        for token in needed:
            if token not in self.encoder:
                raise ValueError(f"the vocabulary has no id for {token!r}")
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
        token_ids, offsets = self.encode_column(pa.array(texts, pa.large_string()))
        return [token_ids[i:j] for i, j in pairwise(offsets.tolist())]

    def encode_column(self, texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """As `encode_batch`, without a Python object per text.

        Args:
            texts: N texts, large_string, none of them null.

        Returns:
            The token ids of all texts end to end, uint32, and where each text's begin and the
            last one's end: (N + 1,) int64.
        """
        # On the caller's thread: whoever has many texts has threads of their own.
        encoded = ak.to_layout(self._backend.encode_batch(ak.from_arrow(texts), parallel=False))
        return encoded.content.data, np.asarray(encoded.offsets)

    def decode(self, token_ids: Sequence[int] | np.ndarray) -> str:
        """The text of `token_ids`; bytes that are no UTF-8 become U+FFFD.

        Raises:
            ValueError: an id is not in the vocabulary.
        """
        token_bytes = self.token_bytes
        ids = np.asarray(token_ids, dtype=np.int64)
        unknown = ids[(ids < 0) | (ids >= len(token_bytes))]
        if unknown.size:
            raise ValueError(f"no token has id {unknown[0]}; there are {self.vocab_size}")
        spelled = [token_bytes[i] for i in ids.tolist()]
        return b"".join(spelled).decode("utf-8", errors="replace")

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """What each id stands for, by id; end-of-text stands for its own name."""
        spelled = sorted(self.encoder, key=self.encoder.__getitem__)
        return [t.encode() if t == END_OF_TEXT else unspell(t) for t in spelled]

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 of `encoder.json` and `vocab.bpe`, one after the other (hex)."""
        return hashlib.sha256(self._encoder_bytes + self._merges_bytes).hexdigest()

    @property
    def _encoder_bytes(self) -> bytes:
        return json.dumps(self.encoder).encode()

    @property
    def _merges_bytes(self) -> bytes:
        merges = "".join(f"{left} {right}\n" for left, right in self.merges)
        return f"#version: 0.2\n{merges}".encode()

    @cached_property
    def _backend(self) -> gigatoken.Tokenizer:
        # No special tokens: gigatoken would find them in texts.
        return gigatoken.Tokenizer.from_json(describe_tokenizer(self.encoder, self.merges))


def _parse_merge(line: str) -> tuple[str, str]:
    left, right = line.split(" ")
    return left, right


def _bad_folder(folder: Path, reason: str) -> WebtextError:
    return WebtextError(
        f"{folder} holds no GPT-2 vocabulary: {reason}",
        hint=f"Give a folder with {ENCODER} and {MERGES} as OpenAI publishes them, or with Hugging "
        f"Face's vocab.json and merges.txt, or {HUGGING_FACE}.",
    )
