"""Which token comes next: the likeliest one, or one drawn from the likely ones."""

from collections.abc import Sequence

import torch
from torch import Tensor

from model.generation.settings import GenerationConfig


def draw(logits: Tensor, config: GenerationConfig, uniforms: Sequence[float]) -> list[int]:
    """Choose a token per row; each row depends on its own logits and number only.

    Args:
        logits: (B, V), on any device.
        config: How boldly.
        uniforms: A random number of [0, 1) per row.

    Returns:
        B token ids.
    """
    if config.temperature == 0:
        return logits.argmax(dim=-1).tolist()
    values, ids = _candidates(logits, config)
    # In double precision: 50,257 probabilities are added up.
    values = (values - values.amax(dim=-1, keepdim=True)).double() / config.temperature
    probabilities = values.softmax(dim=-1)
    below = probabilities.cumsum(dim=-1)
    # The candidates descend, or all stay: those of the top_p are the first ones.
    num_kept = (below - probabilities < config.top_p).sum(dim=-1, keepdim=True)
    total = below.gather(1, num_kept - 1)
    targets = torch.tensor(uniforms, dtype=torch.float64, device=logits.device)[:, None] * total
    places = torch.searchsorted(below, targets, right=True).minimum(num_kept - 1)
    return places[:, 0].tolist() if ids is None else ids.gather(1, places)[:, 0].tolist()


def _candidates(logits: Tensor, config: GenerationConfig) -> tuple[Tensor, Tensor | None]:
    """The logits to draw from and their token ids; None where they are all, in their order."""
    if config.top_k != "all":
        return logits.topk(min(config.top_k, logits.shape[-1]))
    if config.top_p < 1:
        return logits.sort(descending=True)
    return logits, None
