"""Finished runs that nobody trained: a random GPT-2, with the vocabulary of a tokens folder."""

import random
from pathlib import Path

import torch

from corpus.runtime import Runtime
from corpus.stage import StageWriter
from corpus.tokenizer import Tokenizer
from corpus.tokens.stage import TOKENIZER_FOLDER, TokensConfig, run as run_tokens
from model.checkpoint import save_checkpoint
from model.gpt2 import GPT2
from model.settings import CHECKPOINT, GPT2Config, RunConfig
from tests.flows.small_corpora import document, write_documents

WORDS = ["the", "crawler", "reads", "a", "page", "and", "writes", "its", "text", "to", "disk"]
VOCAB_SIZE = 280


def write_word_tokens(data: Path, num_documents: int = 60) -> Path:
    """A tokens folder with a real tokenizer, of documents of a few words in random order."""
    generator = random.Random(0)
    texts = [" ".join(generator.choices(WORDS, k=60)) for _ in range(num_documents)]
    rows = [document(f"https://a{i}.example/", text) for i, text in enumerate(texts)]
    documents = write_documents(data / "unique" / "words", rows)
    config = TokensConfig(vocab_size=VOCAB_SIZE, val_fraction=0.2)
    run_tokens(config, {"documents": documents}, data / "tokens" / "words", Runtime())
    return data / "tokens" / "words"


def write_run(folder: Path, tokens: Path, config: RunConfig, *, is_blank: bool = False) -> GPT2:
    """A run as if it were trained.

    Args:
        folder: Of the run.
        tokens: Its corpus.
        config: Its shape.
        is_blank: All its predictions are the same: no token is likelier than another.
    """
    tokenizer = Tokenizer.load(tokens / TOKENIZER_FOLDER)
    torch.manual_seed(config.model.n_embd)
    shape = GPT2Config(vocab_size=tokenizer.vocab_size, **config.model.model_dump())
    model = GPT2(shape).eval()
    with torch.no_grad():  # larger weights: predictions that differ from token to token
        for parameter in model.parameters():
            parameter.mul_(0 if is_blank else 4)
    writer = StageWriter("run", config, {"tokens": tokens}, folder)
    save_checkpoint(folder / CHECKPOINT, model, tokenizer, config.train.steps)
    writer.finish(config.train.steps, num_out=config.train.steps)
    return model
