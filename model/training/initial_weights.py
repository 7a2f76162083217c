"""Weights to start a training from instead of random ones: fine-tuning."""

from pathlib import Path

from corpus.errors import UsageError
from corpus.tokenizer import Tokenizer
from model.checkpoint import load_checkpoint
from model.gpt2 import GPT2


def load_initial_weights(model: GPT2, tokenizer: Tokenizer, folder: Path) -> None:
    """Copy the weights of a checkpoint folder into `model`.

    Raises:
        UsageError: the checkpoint has another shape or another vocabulary than the training.
        WebtextError: the checkpoint is damaged.
    """
    checkpoint = load_checkpoint(folder)
    theirs, ours = checkpoint.model.config, model.config
    for name in ("n_layer", "n_head", "n_embd", "block_size"):
        if getattr(theirs, name) != getattr(ours, name):
            raise UsageError(
                f"{folder} has {name} {getattr(theirs, name)}, the recipe {getattr(ours, name)}",
                hint=f"Train with --set model.{name}={getattr(theirs, name)}",
            )
    if checkpoint.tokenizer != tokenizer:
        raise UsageError(
            f"{folder} has another vocabulary than the corpus: its weights mean other tokens",
            hint="Build the corpus with that vocabulary: --set "
            f"tokens.tokenizer={folder} (docs/train.md).",
        )
    model.load_state_dict(checkpoint.model.state_dict())
