"""Checkpoints: a folder with weights, shape and vocabulary; and the state a run resumes from."""

import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from corpus.atomic import atomic_path, write_bytes
from corpus.errors import WebtextError
from corpus.tokenizer import Tokenizer
from model.gpt2 import GPT2
from model.settings import GPT2Config

CHECKPOINT = "checkpoint"
TRAINING_STATE = "training_state.pt"
WEIGHTS = "model.safetensors"
CONFIG = "config.json"

# The output layer is the embedding itself: stored once, under the embedding's name.
_TIED = "lm_head.weight"
# Constants that some copies of OpenAI's weights carry along.
_CAUSAL_MASK = re.compile(r"h\.\d+\.attn\.(masked_)?bias")


@dataclass(frozen=True)
class Checkpoint:
    """A model that can be used: weights on the CPU in evaluation mode, and its vocabulary."""

    model: GPT2
    tokenizer: Tokenizer
    step: int
    """Optimizer steps behind the weights; 0 where the file does not say."""


class TrainingState(TypedDict):
    """All that a run needs to go on as if nothing had happened: tensors and plain data."""

    step: int
    """Optimizer steps done; the order of the windows and the dropout follow from it."""
    model: dict[str, Tensor]
    optimizer: dict[str, object]


def save_checkpoint(folder: Path, model: GPT2, tokenizer: Tokenizer, step: int) -> None:
    """Write `model` for use; each file atomically, the weights with their step in one file."""
    tokenizer.save(folder)
    write_bytes(folder / CONFIG, model.config.model_dump_json(indent=2).encode())
    weights = {name: w.contiguous() for name, w in model.state_dict().items() if name != _TIED}
    with atomic_path(folder / WEIGHTS) as temporary:
        # One key only: safetensors writes several in random order, and equal weights must be
        # equal bytes.
        save_file(weights, temporary, metadata={"step": str(step)})


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint folder.

    Weights with OpenAI's names load too, with the causal masks that some files hold ignored.

    Raises:
        WebtextError: a file is missing, truncated, or does not fit the others.
    """
    try:
        config = GPT2Config.model_validate_json((folder / CONFIG).read_bytes())
        weights, step = _read_weights(folder / WEIGHTS)
    except FileNotFoundError as exc:
        raise _unusable(folder, f"{exc.filename or WEIGHTS} is missing") from exc
    except ValidationError as exc:
        raise _unusable(folder, f"{CONFIG}: {exc.errors()[0]['msg']}") from exc
    except SafetensorError as exc:
        raise _unusable(folder, f"{WEIGHTS} is damaged: {exc}") from exc
    tokenizer = Tokenizer.load(folder)
    if tokenizer.vocab_size != config.vocab_size:
        reason = f"{tokenizer.vocab_size} tokens, but {config.vocab_size} rows of embeddings"
        raise _unusable(folder, reason)
    model = GPT2(config)
    try:
        model.load_state_dict(weights | {_TIED: weights.get("wte.weight", torch.empty(0))})
    except RuntimeError as exc:
        raise _unusable(folder, f"{WEIGHTS} does not fit {CONFIG}: {exc}") from exc
    return Checkpoint(model.eval(), tokenizer, step)


def save_state(path: Path, state: TrainingState) -> None:
    """Write a run's state: weights, optimizer and step under one name, or not at all."""
    with atomic_path(path) as temporary:
        torch.save(dict(state), temporary)


def load_state(path: Path) -> TrainingState | None:
    """Read a run's state, tensors on the CPU; None if there is none.

    Raises:
        WebtextError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return TrainingState(step=state["step"], model=state["model"], optimizer=state["optimizer"])
    except (RuntimeError, EOFError, KeyError, OSError, pickle.UnpicklingError) as exc:
        raise WebtextError(
            f"the training state {path} is damaged: {exc}",
            hint=f"Remove {path.parent} to train from the beginning.",
        ) from exc


def _read_weights(path: Path) -> tuple[dict[str, Tensor], int]:
    with safe_open(path, framework="pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 no dict
        step = int((file.metadata() or {}).get("step", 0))
    return {name: w for name, w in weights.items() if not _CAUSAL_MASK.fullmatch(name)}, step


def _unusable(folder: Path, reason: str) -> WebtextError:
    return WebtextError(
        f"{folder} is no usable checkpoint: {reason}",
        hint="Give the checkpoint folder of a finished run, or run `webtext train` again.",
    )
