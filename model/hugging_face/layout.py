"""Names and layout of GPT-2's weights: OpenAI's, which Hugging Face kept, and ours.

Theirs multiply from the right (Conv1D: in x out), ours are `nn.Linear`'s (out x in); ours have
padding rows below the vocabulary, theirs have none. V: vocabulary, P: padded vocabulary.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from model.gpt2 import GPT2
from model.hugging_face.config import CONFIG, unusable
from model.settings import GPT2Config

_EMBEDDING = "wte.weight"
_HEAD = "lm_head.weight"
_PREFIX = "transformer."
"""Of files that hold a whole GPT2LMHeadModel; OpenAI's own copies on the hub are without."""

_CONV1D = re.compile(r"h\.\d+\.(attn\.c_attn|attn\.c_proj|mlp\.c_fc|mlp\.c_proj)\.weight")
# Constants that some copies of OpenAI's weights carry along.
_CAUSAL_MASK = re.compile(r"h\.\d+\.attn\.(masked_)?bias")
_BLOCK = re.compile(r"h\.(\d+)\.")


def to_published(weights: Mapping[str, Tensor], config: GPT2Config) -> dict[str, Tensor]:
    """A state dict of ours with OpenAI's names and layout, as views: nothing is copied."""
    published = {name: _turned(name, tensor) for name, tensor in weights.items()}
    published[_EMBEDDING] = weights[_EMBEDDING][: config.vocab_size]  # (P, C) to (V, C)
    return published


def from_published(
    tensors: Mapping[str, Tensor], config: GPT2Config, folder: Path
) -> dict[str, Tensor]:
    """A state dict of ours, in fp32, from weights with OpenAI's or Hugging Face's names.

    Raises:
        WebtextError: the weights are not those of a GPT-2 of this shape; `folder` is named.
    """
    theirs = {name.removeprefix(_PREFIX): tensor for name, tensor in tensors.items()}
    theirs = {name: t for name, t in theirs.items() if not _CAUSAL_MASK.fullmatch(name)}
    _check_head(theirs.pop(_HEAD, None), theirs.get(_EMBEDDING), folder)
    _check_fit(theirs, config, folder)
    ours = {name: _turned(name, t).float().contiguous() for name, t in theirs.items()}
    num_padding = config.padded_vocab_size - config.vocab_size
    ours[_EMBEDDING] = F.pad(ours[_EMBEDDING], (0, 0, 0, num_padding))  # (V, C) to (P, C)
    return ours


def _turned(name: str, tensor: Tensor) -> Tensor:
    return tensor.t() if _CONV1D.fullmatch(name) else tensor


def _check_head(head: Tensor | None, embedding: Tensor | None, folder: Path) -> None:
    """The output layer is the embedding (paper section 2.3 follows GPT-1): or else we lack it."""
    if head is None or (embedding is not None and torch.equal(head, embedding)):
        return
    raise unusable(
        folder,
        f"its {_HEAD} is not its {_EMBEDDING}: an untied output layer",
        hint="GPT-2 has one matrix for both; use weights that were trained with them tied.",
    )


def _check_fit(tensors: Mapping[str, Tensor], config: GPT2Config, folder: Path) -> None:
    # Before a model of the config's size is made: a wrong number there may be any number.
    num_blocks = len({match[1] for name in tensors if (match := _BLOCK.match(name))})
    if num_blocks != config.n_layer:
        raise _misfit(folder, f"{num_blocks} blocks, not {config.n_layer}")
    with torch.device("meta"):
        blank = GPT2(config).state_dict()
    expected = {name: tuple(t.shape) for name, t in to_published(blank, config).items()}
    for name in sorted(expected.keys() | tensors.keys()):
        if name not in tensors:
            raise _misfit(folder, f"no {name}")
        if name not in expected:
            raise _misfit(folder, f"{name}, which GPT-2 does not have")
        if not tensors[name].is_floating_point():
            raise _misfit(folder, f"{name} as {tensors[name].dtype}: quantised weights")
        if tuple(tensors[name].shape) != expected[name]:
            raise _misfit(folder, f"{name} {tuple(tensors[name].shape)}, not {expected[name]}")


def _misfit(folder: Path, found: str) -> Exception:
    return unusable(folder, f"the weights do not fit {CONFIG}: they have {found}")
