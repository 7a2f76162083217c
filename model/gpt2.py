"""GPT-2 as published: pre-norm transformer blocks, learnt positions, tied embeddings.

Shapes: B sequences, T tokens, C = n_embd, H heads of D = C / H, V = vocab_size. Modules carry the
names of OpenAI's checkpoints; the matrices of `nn.Linear` are the transposes of theirs, which
`model.checkpoint` turns at the door.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.linear import Linear
from model.linear_loss import chunk_loss, linear_cross_entropy
from model.settings import GPT2Config

Places = tuple[Tensor, Tensor]
"""Rows below B and columns below T of N tokens, (N,) each."""

_INIT_STD = 0.02


class Attention(nn.Module):
    """Causal multi-head self-attention."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.n_head = config.n_head
        self.dropout = config.dropout
        self.c_attn = Linear(config.n_embd, 3 * config.n_embd)
        self.c_proj = Linear(config.n_embd, config.n_embd)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, places: Places | None = None
    ) -> Tensor:
        """(B, T, C) to (B, T, C), or of `places` alone (N, C).

        What may see what is causal, or as `mask` (B, 1, T, T) says.
        """
        B, T, C = x.shape
        heads = (B, T, self.n_head, C // self.n_head)
        q, k, v = (part.view(heads).transpose(1, 2) for part in self.c_attn(x).split(C, dim=2))
        dropout = self.dropout if self.training else 0.0
        is_causal = mask is None
        y = F.scaled_dot_product_attention(q, k, v, mask, dropout, is_causal)
        y = y.transpose(1, 2).reshape(B, T, C)  # (B, H, T, D) to (B, T, C)
        return self.c_proj(y if places is None else y[places])


class MLP(nn.Module):
    """Two layers with GPT-2's tanh approximation of GELU between them."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.c_fc = Linear(config.n_embd, 4 * config.n_embd)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) to (B, T, C)."""
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class Block(nn.Module):
    """Attention and MLP, each reading a layer norm of the residual stream and adding to it."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd)
        self.attn = Attention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd)
        self.mlp = MLP(config)
        self.drop = nn.Dropout(config.dropout)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, places: Places | None = None
    ) -> Tensor:
        """(B, T, C) to (B, T, C), or of `places` alone (N, C)."""
        attended = self.attn(self.ln_1(x), mask, places)
        x = (x if places is None else x[places]) + self.drop(attended)
        return x + self.drop(self.mlp(self.ln_2(x)))


class GPT2(nn.Module):
    """The language model of Radford et al. 2019, section 2.3."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.padded_vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.drop = nn.Dropout(config.dropout)
        self.h = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd)
        self.chunk_loss = chunk_loss
        self._init_weights()

    def forward(self, ids: Tensor, targets: Tensor | None = None) -> Tensor:
        """Predict each next token.

        Args:
            ids: (B, T) token ids, T at most `block_size`.
            targets: (B, T) the tokens that follow each of `ids`.

        Returns:
            The mean cross-entropy in nats where there are targets: the logits of all positions are
            never held at once. Without targets the logits (B, T, V).

        Raises:
            ValueError: more tokens than `block_size`.
        """
        x = self.hidden(ids)
        if targets is None:
            return self.logits(x)
        rows, weight = x.flatten(0, 1), self.wte.weight
        vocab_size = self.config.vocab_size
        return linear_cross_entropy(rows, weight, targets.flatten(), vocab_size, self.chunk_loss)

    def hidden(
        self,
        ids: Tensor,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
        places: Places | None = None,
    ) -> Tensor:
        """What the output layer reads, after the last layer norm.

        Args:
            ids: (B, T) token ids.
            positions: (B, T) where each token stands in its text; None is one after the other.
            mask: (B, 1, T, T), true where a token (third axis) may see another; None is causal.
                With `positions` several ends of one text fit in a row.
            places: What is wanted; None is all. The last block does no more than that.

        Returns:
            (B, T, C), or of `places` (N, C).

        Raises:
            ValueError: more tokens than `block_size`, without positions.
        """
        num_tokens, block_size = ids.shape[1], self.config.block_size
        if positions is None:
            if num_tokens > block_size:
                raise ValueError(f"{num_tokens} tokens do not fit into block_size {block_size}")
            positions = torch.arange(num_tokens, device=ids.device)
        x = self.wte(ids) + self.wpe(positions)  # (B, T, C)
        kind = ids.device.type
        if torch.is_autocast_enabled(kind):
            # Left in fp32, the residual stream would take a GPU 5 % more of a step.
            x = x.to(torch.get_autocast_dtype(kind))
        x = self.drop(x)
        *blocks, last = self.h
        for block in blocks:
            x = block(x, mask)
        return self.ln_f(last(x, mask, places))

    def logits(self, hidden: Tensor) -> Tensor:
        """The tied output layer: what `hidden` returns, or a part of it, to (..., V)."""
        return F.linear(hidden, self.wte.weight)[..., : self.config.vocab_size]

    def _init_weights(self) -> None:
        # Every block adds to the residual stream twice, so its N = 2 * n_layer last layers
        # begin 1 / sqrt(N) smaller (paper section 2.3).
        residual_std = _INIT_STD / math.sqrt(2 * self.config.n_layer)
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                std = residual_std if name.endswith("c_proj") else _INIT_STD
                nn.init.normal_(module.weight, std=std)
                nn.init.zeros_(module.bias)
        with torch.no_grad():
            self.wte.weight[: self.config.vocab_size].normal_(std=_INIT_STD)
            self.wte.weight[self.config.vocab_size :].zero_()
        # OpenAI's code: positions begin at half the spread of tokens.
        nn.init.normal_(self.wpe.weight, std=_INIT_STD / 2)
