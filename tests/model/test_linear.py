"""Our linear layer is torch's: the same values and gradients, whatever computes them."""

import pytest
import torch
from torch import nn

from model import linear as module
from model.linear import Linear


@pytest.fixture
def layers(monkeypatch):
    """A layer of ours, large enough in its own eyes, and torch's with the same weights."""
    monkeypatch.setattr(module, "_LARGE", 1)
    torch.manual_seed(0)
    ours, torchs = Linear(7, 4), nn.Linear(7, 4)
    torchs.load_state_dict(ours.state_dict())
    return ours, torchs


def operators(layer, x):
    with torch.profiler.profile() as profile:
        layer(x)
    return {event.key for event in profile.key_averages()}


@pytest.mark.parametrize("shape", [(5, 7), (2, 3, 7), (1, 7), (0, 7), (7,)])
def test_values_and_gradients_are_those_of_torch(layers, shape):
    x = torch.randn(shape)
    outcomes = []
    for layer in layers:
        given = [x.clone().requires_grad_(), *layer.parameters()]
        y = layer(given[0])
        outcomes.append([y, *torch.autograd.grad(y.square().sum(), given)])
    torch.testing.assert_close(*outcomes)


def test_torch_finds_nothing_wrong_with_the_operator():
    given = torch.randn(2, 3, 7), torch.randn(4, 7), torch.randn(4)
    torch.library.opcheck(module._linear, given)
    torch.library.opcheck(module._linear, tuple(each.requires_grad_() for each in given))


def test_it_trains_by_onednn_and_is_used_with_the_digits_of_others(layers):
    ours, torchs = layers
    x = torch.randn(5, 7)
    assert "mkldnn::_linear_pointwise" in operators(ours, x)
    with torch.no_grad():
        assert "mkldnn::_linear_pointwise" not in operators(ours, x)
        assert torch.equal(ours(x), torchs(x))


def test_small_layers_are_torchs():
    assert "mkldnn::_linear_pointwise" not in operators(Linear(7, 4), torch.randn(5, 7))


def test_other_precisions_are_served_too(layers):
    x = torch.randn(5, 7)
    with torch.autocast("cpu", torch.bfloat16):
        assert layers[0](x).dtype == torch.bfloat16
    assert layers[0].double()(x.double()).dtype == torch.float64


def test_a_torch_without_the_operator_is_served_too(layers, monkeypatch):
    monkeypatch.setattr(module, "_ONEDNN", None)
    x = torch.randn(5, 7)
    assert torch.equal(*(layer(x) for layer in layers))
