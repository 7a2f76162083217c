"""A small GPT-2 as transformers writes it, with a vocabulary of ours."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from corpus.tokenizer import Tokenizer

VOCAB_SIZE = 300


@pytest.fixture(scope="session")
def theirs() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=VOCAB_SIZE,
        n_positions=16,
        n_embd=16,
        n_head=2,
        n_layer=2,
        bos_token_id=VOCAB_SIZE - 1,
        eos_token_id=VOCAB_SIZE - 1,
    )
    return GPT2LMHeadModel(config).eval()


@pytest.fixture
def write_theirs(theirs: GPT2LMHeadModel, tmp_path: Path) -> Callable[..., Path]:
    """Write it as `save_pretrained` does, and the tokenizer beside it."""

    def write(max_shard_size: str = "1GB") -> Path:
        theirs.save_pretrained(tmp_path, max_shard_size=max_shard_size)
        letters = "abcdefg"
        merges = [(x, y) for x in letters for y in letters][: VOCAB_SIZE - 257]
        Tokenizer.from_merges(merges).save(tmp_path)
        return tmp_path

    return write


@pytest.fixture
def published(write_theirs: Callable[..., Path]) -> Path:
    return write_theirs()
