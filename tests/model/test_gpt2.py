"""The model computes what GPT-2 computes, in GPT-2's names and sizes."""

import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from model.gpt2 import GPT2
from model.settings import GPT2Config, ModelConfig

TINY = GPT2Config(vocab_size=50, block_size=12, n_layer=3, n_head=2, n_embd=16)


def layer_norm(x, weight, bias):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5) * weight + bias


def gelu(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attention(x, w, name, n_head):
    """One sequence (T, C), head by head."""
    q, k, v = np.split(x @ w[f"{name}.c_attn.weight"] + w[f"{name}.c_attn.bias"], 3, axis=-1)
    heads = []
    for head in np.split(np.arange(x.shape[1]), n_head):
        scores = q[:, head] @ k[:, head].T / math.sqrt(len(head))
        scores[np.triu_indices(len(x), 1)] = -np.inf
        heads.append(softmax(scores) @ v[:, head])
    return np.hstack(heads) @ w[f"{name}.c_proj.weight"] + w[f"{name}.c_proj.bias"]


def gpt2_in_numpy(ids, w, config):
    """OpenAI's model.py, written once more for one sequence, in float64."""
    x = w["wte.weight"][ids] + w["wpe.weight"][: len(ids)]
    for i in range(config.n_layer):
        block = f"h.{i}"
        y = layer_norm(x, w[f"{block}.ln_1.weight"], w[f"{block}.ln_1.bias"])
        x = x + attention(y, w, f"{block}.attn", config.n_head)
        y = layer_norm(x, w[f"{block}.ln_2.weight"], w[f"{block}.ln_2.bias"])
        y = gelu(y @ w[f"{block}.mlp.c_fc.weight"] + w[f"{block}.mlp.c_fc.bias"])
        x = x + y @ w[f"{block}.mlp.c_proj.weight"] + w[f"{block}.mlp.c_proj.bias"]
    return layer_norm(x, w["ln_f.weight"], w["ln_f.bias"]) @ w["wte.weight"].T


def test_forward_pass_is_that_of_an_independent_implementation():
    torch.manual_seed(1)
    model = GPT2(TINY).eval()
    with torch.no_grad():  # weights far from their small beginnings, biases included
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
        ids = torch.randint(TINY.vocab_size, (2, TINY.block_size))
        logits, loss = model(ids, ids.roll(-1, dims=1))
    weights = {name: w.double().numpy() for name, w in model.state_dict().items()}
    expected = np.stack([gpt2_in_numpy(row, weights, TINY) for row in ids.numpy()])
    np.testing.assert_allclose(logits.numpy(), expected, rtol=1e-4, atol=1e-4)
    targets = np.roll(ids.numpy(), -1, axis=1)[..., None]
    expected_loss = -np.log(np.take_along_axis(softmax(expected), targets, -1)).mean()
    assert loss.item() == pytest.approx(expected_loss, rel=1e-5)


@pytest.mark.parametrize(
    ("n_layer", "n_embd", "n_head", "num_parameters"),
    [
        (12, 768, 12, 124_439_808),
        (24, 1024, 16, 354_823_168),
        (36, 1280, 20, 774_030_080),
        (48, 1600, 25, 1_557_611_200),
    ],
)
def test_the_papers_four_sizes_have_their_published_counts(n_layer, n_embd, n_head, num_parameters):
    with torch.device("meta"):
        model = GPT2(GPT2Config(n_layer=n_layer, n_embd=n_embd, n_head=n_head))
    assert model.num_parameters == num_parameters


def test_names_and_layout_are_those_of_published_weights():
    shapes = {name: tuple(w.shape) for name, w in GPT2(TINY).state_dict().items()}
    assert shapes["wte.weight"] == shapes["lm_head.weight"] == (50, 16)
    assert shapes["wpe.weight"] == (12, 16)
    assert shapes["h.2.attn.c_attn.weight"] == (16, 48)  # (inputs, outputs)
    assert shapes["h.0.mlp.c_fc.weight"] == (16, 64)
    assert {"h.1.ln_1.bias", "h.1.ln_2.weight", "h.1.mlp.c_proj.bias", "ln_f.bias"} <= set(shapes)


def test_residual_layers_begin_smaller():
    torch.manual_seed(0)
    model = GPT2(GPT2Config(vocab_size=50, block_size=8, n_layer=8, n_head=2, n_embd=64))
    for name, weight in model.state_dict().items():
        if name.endswith("c_proj.weight"):
            assert weight.std().item() == pytest.approx(0.02 / math.sqrt(16), rel=0.1)
        elif name.endswith(("c_fc.weight", "c_attn.weight")):
            assert weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_no_token_sees_the_ones_after_it():
    torch.manual_seed(0)
    model = GPT2(TINY).eval()
    ids = torch.randint(TINY.vocab_size, (1, 10))
    changed = ids.clone()
    changed[0, 6] = (changed[0, 6] + 1) % TINY.vocab_size
    with torch.no_grad():
        before, after = model(ids)[0], model(changed)[0]
    assert torch.equal(before[0, :6], after[0, :6])
    assert not torch.equal(before[0, 6:], after[0, 6:])


def test_one_batch_can_be_learnt_by_heart():
    torch.manual_seed(0)
    model = GPT2(TINY)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    ids = torch.randint(TINY.vocab_size, (4, TINY.block_size + 1))
    first = last = math.inf
    for step in range(120):
        loss = model(ids[:, :-1], ids[:, 1:])[1]
        first, last = (loss.item(), last) if step == 0 else (first, loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert first == pytest.approx(math.log(TINY.vocab_size), abs=0.3)
    assert last < 0.05


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="13 tokens do not fit into block_size 12"):
        GPT2(TINY)(torch.zeros((1, 13), dtype=torch.long))
    with pytest.raises(ValidationError, match=r"n_embd \(10\) is not a multiple of n_head \(3\)"):
        ModelConfig(n_embd=10, n_head=3)
