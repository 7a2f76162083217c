"""A GPT-2 that reads token by token: keys and values of what it has read are kept.

Shapes as in `model.gpt2`; T is the room of the cache. Each row is at a position of its own, so
prompts of any lengths go together without padding between their tokens: what stands in a row's
cache behind its length is never seen.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.generation.products import Product, attend, kernels_at_work
from model.gpt2 import GPT2, Block

# Tokens of contexts that are read at once: bounds the memory for many or long prompts.
_TOKENS_AT_ONCE: Final = 8192


class Decoder:
    """Contexts of several texts, one per row, and what the model says comes next.

    Args:
        model: On any device; it must not be moved meanwhile.
        num_rows: Texts at once.
        num_positions: Room for tokens per row, at most `block_size`.
    """

    def __init__(self, model: GPT2, num_rows: int, num_positions: int) -> None:
        config = model.config
        if not 1 <= num_positions <= config.block_size:
            raise ValueError(f"room for {num_positions} tokens, block_size is {config.block_size}")
        self.lengths: np.ndarray = np.zeros(num_rows, np.int64)
        """(B,) tokens that each row has read."""
        self._model = model
        self._blocks = [_BlockInUse.of(block) for block in _blocks(model)]
        self._output = Product(model.wte.weight)
        shape = (config.n_layer, 2, num_rows, config.n_head, num_positions)
        weight = model.wte.weight.detach()
        # Zeros, as the unseen count for nothing only where they are finite.
        self._cache = weight.new_zeros(*shape, config.n_embd // config.n_head)

    @torch.inference_mode()
    def step(self, token_ids: Sequence[int]) -> Tensor:
        """Read one more token per row.

        Returns:
            (B, V) the logits of what follows it.

        Raises:
            ValueError: a row has no room left.
        """
        num_positions = self._cache.shape[4]
        if self.lengths.max() >= num_positions:
            raise ValueError(f"a row holds {num_positions} tokens already: fill it anew")
        with kernels_at_work():
            logits = self._step(torch.tensor(token_ids, device=self._cache.device))
        self.lengths += 1
        return logits

    @torch.inference_mode()
    def fill(self, rows: Sequence[int], contexts: Sequence[Sequence[int]]) -> None:
        """Let some rows begin anew: each reads its context, in one pass over the model.

        Args:
            rows: Which, each once.
            contexts: Token ids per row; none at all is a context too.
        """
        longest = max(map(len, contexts), default=0)
        self.lengths[list(rows)] = [len(context) for context in contexts]
        if longest:
            at_once = max(1, _TOKENS_AT_ONCE // longest)
            for i in range(0, len(rows), at_once):
                self._read(rows[i : i + at_once], contexts[i : i + at_once])

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only, which are numbered from 0 then; `rows` must ascend."""
        with torch.inference_mode():
            for new, old in enumerate(rows):  # in place: a second cache may not fit
                if new != old:
                    self._cache[:, :, new] = self._cache[:, :, old]
        self._cache = self._cache[:, :, : len(rows)]
        self.lengths = self.lengths[list(rows)]

    def _step(self, ids: Tensor) -> Tensor:
        places = torch.from_numpy(self.lengths).to(ids.device)
        x = self._model.wte(ids) + self._model.wpe(places)  # (B, C)
        for block, (keys, values) in zip(self._blocks, self._cache, strict=True):
            x += block.c_proj(attend(block.c_attn(block.ln_1(x)), keys, values, self.lengths))
            x += block.mlp_proj(F.gelu(block.c_fc(block.ln_2(x)), approximate="tanh"))
        return self._output(self._model.ln_f(x))[:, : self._model.config.vocab_size]

    def _read(self, rows: Sequence[int], contexts: Sequence[Sequence[int]]) -> None:
        device, heads = self._cache.device, self._cache.shape[3]
        length = max(map(len, contexts))
        # Padding stands on the right, where a causal model cannot see it.
        padded = [[*context, *[0] * (length - len(context))] for context in contexts]
        places = torch.tensor(list(rows), device=device)
        positions = torch.arange(length, device=device)
        x = self._model.wte(torch.tensor(padded, device=device)) + self._model.wpe(positions)
        for block, cache in zip(_blocks(self._model), self._cache, strict=True):
            qkv = block.attn.c_attn(block.ln_1(x)).unflatten(2, (3, heads, -1))
            q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, H, T, D) each
            cache[0, places, :, :length], cache[1, places, :, :length] = k, v
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + block.attn.c_proj(y.transpose(1, 2).flatten(2))
            x = x + block.mlp(block.ln_2(x))


class _BlockInUse(NamedTuple):
    """The layers of a block, without what only training needs."""

    ln_1: nn.LayerNorm
    c_attn: Product
    c_proj: Product
    ln_2: nn.LayerNorm
    c_fc: Product
    mlp_proj: Product

    @classmethod
    def of(cls, block: Block) -> "_BlockInUse":
        attn, mlp = block.attn, block.mlp
        attn_in, attn_out, mlp_in, mlp_out = (
            Product(layer.weight, layer.bias)
            for layer in (attn.c_attn, attn.c_proj, mlp.c_fc, mlp.c_proj)
        )
        return cls(block.ln_1, attn_in, attn_out, block.ln_2, mlp_in, mlp_out)


def _blocks(model: GPT2) -> list[Block]:
    return [block for block in model.h if isinstance(block, Block)]
