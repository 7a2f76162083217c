"""The model computes what GPT-2 computes, in GPT-2's names and sizes."""

import copy
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


def linear(x, w, name):
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def attention(x, w, name, n_head):
    """One sequence (T, C), head by head."""
    q, k, v = np.split(linear(x, w, f"{name}.c_attn"), 3, axis=-1)
    heads = []
    for head in np.split(np.arange(x.shape[1]), n_head):
        scores = q[:, head] @ k[:, head].T / math.sqrt(len(head))
        scores[np.triu_indices(len(x), 1)] = -np.inf
        heads.append(softmax(scores) @ v[:, head])
    return linear(np.hstack(heads), w, f"{name}.c_proj")


def gpt2_in_numpy(ids, w, config):
    """OpenAI's model.py, written once more for one sequence, in float64."""
    x = w["wte.weight"][ids] + w["wpe.weight"][: len(ids)]
    for i in range(config.n_layer):
        block = f"h.{i}"
        y = layer_norm(x, w[f"{block}.ln_1.weight"], w[f"{block}.ln_1.bias"])
        x = x + attention(y, w, f"{block}.attn", config.n_head)
        y = layer_norm(x, w[f"{block}.ln_2.weight"], w[f"{block}.ln_2.bias"])
        x = x + linear(gelu(linear(y, w, f"{block}.mlp.c_fc")), w, f"{block}.mlp.c_proj")
    embeddings = w["wte.weight"][: config.vocab_size]  # without its padding
    return layer_norm(x, w["ln_f.weight"], w["ln_f.bias"]) @ embeddings.T


def far_from_the_start(model):
    """Weights far from their small beginnings, biases included; the padding as training has it."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
        model.wte.weight[model.config.vocab_size :] = 0
    return model


def random_ids(num_sequences=2, num_tokens=TINY.block_size):
    return torch.randint(TINY.vocab_size, (num_sequences, num_tokens))


def test_forward_pass_is_that_of_an_independent_implementation():
    torch.manual_seed(1)
    model = far_from_the_start(GPT2(TINY)).eval()
    ids = random_ids()
    with torch.no_grad():
        logits, loss = model(ids), model(ids, ids.roll(-1, dims=1))
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
    assert model.config.num_parameters == num_parameters
    padding = (model.config.padded_vocab_size - model.config.vocab_size) * n_embd
    assert sum(weight.numel() for weight in model.parameters()) - padding == num_parameters


def test_names_are_those_of_published_weights_and_matrices_their_transposes():
    shapes = {name: tuple(w.shape) for name, w in GPT2(TINY).state_dict().items()}
    assert shapes["wte.weight"] == (64, 16)  # 50 tokens and 14 rows of padding
    assert shapes["wpe.weight"] == (12, 16)
    assert shapes["h.2.attn.c_attn.weight"] == (48, 16)  # (outputs, inputs)
    assert shapes["h.0.mlp.c_fc.weight"] == (64, 16)
    assert {"h.1.ln_1.bias", "h.1.ln_2.weight", "h.1.mlp.c_proj.bias", "ln_f.bias"} <= set(shapes)
    assert "lm_head.weight" not in shapes


@pytest.mark.parametrize(("vocab_size", "padded"), [(50_257, 50_304), (64, 64), (1, 64), (65, 128)])
def test_the_vocabulary_is_padded_to_a_multiple_of_64(vocab_size, padded):
    assert GPT2Config(vocab_size=vocab_size).padded_vocab_size == padded


def test_weights_begin_with_the_papers_spreads():
    torch.manual_seed(0)
    model = GPT2(GPT2Config(vocab_size=100, block_size=64, n_layer=8, n_head=2, n_embd=64))
    for name, weight in model.state_dict().items():
        if name.endswith("c_proj.weight"):
            assert weight.std().item() == pytest.approx(0.02 / math.sqrt(16), rel=0.1)
        elif name.endswith(("c_fc.weight", "c_attn.weight")):
            assert weight.std().item() == pytest.approx(0.02, rel=0.1)
        elif name.endswith("bias"):
            assert not weight.any()
        elif "ln_" in name:
            assert (weight == 1).all()
    assert model.wte.weight[:100].std().item() == pytest.approx(0.02, rel=0.1)
    assert not model.wte.weight[100:].any()
    assert model.wpe.weight.std().item() == pytest.approx(0.01, rel=0.1)


def test_no_token_sees_the_ones_after_it():
    torch.manual_seed(0)
    model = GPT2(TINY).eval()
    ids = torch.randint(TINY.vocab_size, (1, 10))
    changed = ids.clone()
    changed[0, 6] = (changed[0, 6] + 1) % TINY.vocab_size
    with torch.no_grad():
        before, after = model(ids), model(changed)
    assert torch.equal(before[0, :6], after[0, :6])
    assert not torch.equal(before[0, 6:], after[0, 6:])


def test_chosen_places_are_as_in_the_whole():
    model = far_from_the_start(GPT2(TINY)).eval()
    ids = torch.randint(TINY.vocab_size, (3, 12))
    places = torch.tensor([0, 2, 2, 1]), torch.tensor([11, 0, 5, 5])
    with torch.no_grad():
        torch.testing.assert_close(model.hidden(ids, places=places), model.hidden(ids)[places])


def test_one_batch_can_be_learnt_by_heart():
    torch.manual_seed(0)
    model = GPT2(TINY)
    ids = random_ids(4, TINY.block_size + 1)
    losses = train(model, [ids] * 120)
    assert losses[0] == pytest.approx(math.log(TINY.vocab_size), abs=0.3)
    assert losses[-1] < 0.05


def train(model, batches, lr=1e-2):
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    losses = []
    for ids in batches:
        loss = model(ids[:, :-1], ids[:, 1:])
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


@pytest.fixture
def with_and_without_padding(monkeypatch):
    """The same weights, the vocabulary of the one padded as always, of the other not at all."""
    torch.manual_seed(2)
    padded = far_from_the_start(GPT2(TINY))
    monkeypatch.setattr("model.settings._VOCAB_MULTIPLE", 1)
    bare = GPT2(TINY)
    weights = padded.state_dict()
    bare.load_state_dict({name: weights[name][: len(w)] for name, w in bare.state_dict().items()})
    assert len(bare.wte.weight) < len(padded.wte.weight)
    return padded, bare


def test_padding_changes_no_logit_loss_or_gradient(with_and_without_padding):
    padded, bare = with_and_without_padding
    ids, targets = random_ids(), random_ids()
    torch.testing.assert_close(padded(ids), bare(ids))
    losses = [model(ids, targets) for model in (padded, bare)]
    torch.testing.assert_close(losses[0], losses[1])
    for loss in losses:
        loss.backward()
    for one, other in zip(padded.parameters(), bare.parameters(), strict=True):
        torch.testing.assert_close(one.grad[: len(other)], other.grad, rtol=1e-4, atol=1e-6)
        assert not one.grad[len(other) :].any()


def test_padding_changes_no_training(with_and_without_padding):
    padded, bare = with_and_without_padding
    batches = [random_ids(3, TINY.block_size + 1) for _ in range(5)]
    losses = [train(model, batches, lr=1e-3) for model in (padded, bare)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    # Not weight by weight: the biases of keys do nothing, so AdamW scales up their rounding noise.
    ids = random_ids()
    torch.testing.assert_close(padded(ids), bare(ids), rtol=1e-4, atol=1e-4)
    assert not padded.wte.weight[TINY.vocab_size :].any()


def test_accumulated_gradients_are_those_of_the_whole_batch():
    torch.manual_seed(3)
    whole = far_from_the_start(GPT2(TINY))
    in_parts = copy.deepcopy(whole)
    ids, targets = random_ids(6), random_ids(6)
    whole(ids, targets).backward()
    for part in range(0, 6, 2):
        (in_parts(ids[part : part + 2], targets[part : part + 2]) / 3).backward()
    for one, other in zip(whole.parameters(), in_parts.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-6)


def test_dropout_is_for_training_only():
    torch.manual_seed(4)
    model = GPT2(TINY.model_copy(update={"dropout": 0.5}))
    ids = random_ids()
    assert not torch.equal(model(ids), model(ids))
    model.eval()
    assert torch.equal(model(ids), model(ids))


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="13 tokens do not fit into block_size 12"):
        GPT2(TINY)(torch.zeros((1, 13), dtype=torch.long))
    with pytest.raises(ValidationError, match=r"n_embd \(10\) is not a multiple of n_head \(3\)"):
        ModelConfig(n_embd=10, n_head=3)
