"""A checkpoint: a Hugging Face GPT-2 folder with weights, shape, vocabulary and model card.

`transformers` loads what is written here, and what it or the hub has of GPT-2 is read here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from corpus.tokenizer import Tokenizer
from model.gpt2 import GPT2
from model.hugging_face.config import (
    CONFIG,
    read_config,
    unusable,
    write_companions,
    write_config,
)
from model.hugging_face.layout import from_published, to_published
from model.hugging_face.model_card import NO_FACTS, CardFacts, write_card
from model.hugging_face.weight_files import WEIGHTS, read_weight_files
from model.settings import GPT2Config
from model.tensor_file import write_tensors

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Checkpoint:
    """A model that can be used: weights in evaluation mode, and its vocabulary."""

    model: GPT2
    tokenizer: Tokenizer
    step: int
    """Optimizer steps behind the weights; 0 where the folder does not say."""


def save_checkpoint(folder: Path, model: GPT2, tokenizer: Tokenizer, step: int) -> None:
    """Write `model`, on any device, as `save_weights` does."""
    weights = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
    save_weights(folder, weights, model.config, tokenizer, step)


def save_weights(
    folder: Path,
    weights: Mapping[str, Tensor],
    config: GPT2Config,
    tokenizer: Tokenizer,
    step: int,
    facts: CardFacts = NO_FACTS,
) -> None:
    """Write a model for use, each file atomically; equal models are equal bytes.

    `config.json` comes last, and one that is there goes first: with it the folder is whole.

    Args:
        folder: Where to.
        weights: A state dict of `GPT2`, fp32 on the CPU; read one tensor at a time.
        config: The model's shape.
        tokenizer: Its vocabulary.
        step: Optimizer steps behind the weights.
        facts: What the model card can say of the training.

    Raises:
        WebtextError: no space left.
    """
    (folder / CONFIG).unlink(missing_ok=True)
    tokenizer.save(folder)
    write_companions(folder, config, tokenizer)
    write_card(folder, config, step, facts)
    write_tensors(folder / WEIGHTS, to_published(weights, config))
    write_config(folder, config, tokenizer, step)


def fastest_device() -> torch.device:
    """The GPU, if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_checkpoint(folder: Path, device: torch.device = _CPU) -> Checkpoint:
    """Read a checkpoint folder, or a GPT-2 of Hugging Face's hub or `transformers`.

    Args:
        folder: Where it lies.
        device: Where the model goes.

    Raises:
        WebtextError: a file is missing, damaged or does not fit the others; the model is no
            GPT-2, or its weights are pickled.
    """
    config, step = read_config(folder)
    weights = load_weights(folder)
    tokenizer = Tokenizer.load(folder)
    if tokenizer.vocab_size != config.vocab_size:
        reason = f"{tokenizer.vocab_size} tokens, but {config.vocab_size} rows of embeddings"
        raise unusable(folder, reason)
    with torch.device("meta"):  # no random weights first, nor memory for them
        model = GPT2(config)
    model.load_state_dict(weights, assign=True)
    return Checkpoint(model.eval().to(device), tokenizer, step)


def load_weights(folder: Path) -> dict[str, Tensor]:
    """The state dict of `GPT2` that a checkpoint folder holds: fp32, padded, on the CPU.

    Raises:
        WebtextError: as `load_checkpoint`.
    """
    config, _ = read_config(folder)
    return from_published(read_weight_files(folder), config, folder)
