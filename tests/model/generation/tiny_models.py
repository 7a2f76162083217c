"""Small models whose weights are far from their beginnings, so that each token matters."""

import torch

from model.gpt2 import GPT2
from model.settings import GPT2Config


def tiny_model(
    block_size: int = 12, vocab_size: int = 51, dropout: float = 0.0, **shape: int
) -> GPT2:
    torch.manual_seed(0)
    shape = {"n_layer": 2, "n_head": 3, "n_embd": 15} | shape
    config = GPT2Config(vocab_size=vocab_size, block_size=block_size, dropout=dropout, **shape)
    model = GPT2(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            rows = vocab_size if name == "wte.weight" else len(parameter)
            parameter[:rows] += 0.3 * torch.randn_like(parameter[:rows])
    return model
