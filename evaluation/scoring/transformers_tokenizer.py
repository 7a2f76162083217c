"""A tokenizer of `transformers` as the tasks know one."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from corpus.byte_level import BYTE_SPELLINGS, unspell

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_BYTE: Final = re.compile("<0x([0-9A-F]{2})>")
"""How SentencePiece spells a byte that is in no other piece."""


@dataclass(frozen=True)
class TransformersTokenizer:
    """As the tasks' Tokenizer: strings such as `</s>` in a text are text."""

    backend: "PreTrainedTokenizerBase"
    end_of_text: int

    @property
    def vocab_size(self) -> int:
        """Token ids are below it; those between that stand for nothing count too."""
        return len(self.token_bytes)

    def encode(self, text: str) -> list[int]:
        """The token ids of `text`, with none before or after them."""
        return self.backend.encode(text, add_special_tokens=False, split_special_tokens=True)

    def decode(self, token_ids: list[int] | np.ndarray) -> str:
        """The text of token ids; some tokenizers leave out a space that it begins with."""
        token_ids = np.asarray(token_ids, dtype=np.int64).tolist()
        return str(self.backend.decode(token_ids, clean_up_tokenization_spaces=False))

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """What each token stands for; special tokens stand for their own names."""
        vocabulary = self.backend.get_vocab()
        # GPT-2's way to spell bytes is the one of Llama 3, Qwen, Pythia and many others.
        is_byte_level = vocabulary.keys() >= set(BYTE_SPELLINGS)
        pieces = [b""] * (max(vocabulary.values()) + 1)
        for piece, token in vocabulary.items():
            pieces[token] = unspell(piece) if is_byte_level else _sentence_piece(piece)
        return pieces


def _sentence_piece(piece: str) -> bytes:
    byte = _BYTE.fullmatch(piece)
    return bytes([int(byte[1], 16)]) if byte else piece.replace("▁", " ").encode()
