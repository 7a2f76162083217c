"""GPT-2 as published: pre-norm transformer blocks, learnt positions, tied embeddings.

Shapes: B sequences, T tokens, C = n_embd, H heads of D = C / H, V = vocab_size. Modules carry the
names of OpenAI's checkpoints and weights their layout, so published weights load without a map.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.settings import GPT2Config

_INIT_STD = 0.02


class Conv1D(nn.Module):
    """A linear layer whose weight is (inputs, outputs), as GPT-2 stores it: y = x @ W + b.

    `nn.Linear` stores the transpose; weights cross between the two with `.T`.
    """

    def __init__(self, num_inputs: int, num_outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_inputs, num_outputs))
        self.bias = nn.Parameter(torch.zeros(num_outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        return F.linear(x, self.weight.T, self.bias)


class Attention(nn.Module):
    """Causal multi-head self-attention."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.n_head = config.n_head
        self.dropout = config.dropout
        self.c_attn = Conv1D(config.n_embd, 3 * config.n_embd)
        self.c_proj = Conv1D(config.n_embd, config.n_embd)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) to (B, T, C)."""
        B, T, C = x.shape
        heads = (B, T, self.n_head, C // self.n_head)
        q, k, v = (part.view(heads).transpose(1, 2) for part in self.c_attn(x).split(C, dim=2))
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True)
        return self.c_proj(y.transpose(1, 2).reshape(B, T, C))  # (B, H, T, D) to (B, T, C)


class MLP(nn.Module):
    """Two layers with GPT-2's tanh approximation of GELU between them."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.c_fc = Conv1D(config.n_embd, 4 * config.n_embd)
        self.c_proj = Conv1D(4 * config.n_embd, config.n_embd)

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

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) to (B, T, C)."""
        x = x + self.drop(self.attn(self.ln_1(x)))
        return x + self.drop(self.mlp(self.ln_2(x)))


class GPT2(nn.Module):
    """The language model of Radford et al. 2019, section 2.3."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.drop = nn.Dropout(config.dropout)
        self.h = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.lm_head.weight = self.wte.weight
        self._init_weights()

    def forward(self, ids: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Predict each next token.

        Args:
            ids: (B, T) token ids, T at most `block_size`.
            targets: (B, T) the tokens that follow each of `ids`.

        Returns:
            Logits (B, T, V), and the mean cross-entropy in nats if there are targets.

        Raises:
            ValueError: more tokens than `block_size`.
        """
        num_tokens, block_size = ids.shape[1], self.config.block_size
        if num_tokens > block_size:
            raise ValueError(f"{num_tokens} tokens do not fit into block_size {block_size}")
        positions = torch.arange(num_tokens, device=ids.device)
        x = self.drop(self.wte(ids) + self.wpe(positions))  # (B, T, C)
        for block in self.h:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))  # (B, T, V)
        if targets is None:
            return logits, None
        loss = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())
        return logits, loss

    @property
    def num_parameters(self) -> int:
        """Trainable numbers, positions included; the tied embedding counts once."""
        return sum(parameter.numel() for parameter in self.parameters())

    def _init_weights(self) -> None:
        # Every block adds to the residual stream twice, so its N = 2 * n_layer last layers
        # begin 1 / sqrt(N) smaller (paper section 2.3).
        residual_std = _INIT_STD / math.sqrt(2 * self.config.n_layer)
        for name, module in self.named_modules():
            if isinstance(module, Conv1D):
                std = residual_std if name.endswith("c_proj") else _INIT_STD
                nn.init.normal_(module.weight, std=std)
        nn.init.normal_(self.wte.weight, std=_INIT_STD)
        # OpenAI's code: positions begin at half the spread of tokens.
        nn.init.normal_(self.wpe.weight, std=_INIT_STD / 2)
