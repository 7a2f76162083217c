"""A product is the same whichever way it is computed."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from model.generation.products import MAX_ROWS, Product, attend, kernels_at_work


@pytest.fixture
def at_work():
    with kernels_at_work():
        yield


@pytest.mark.usefixtures("at_work")
@pytest.mark.parametrize("num_rows", [1, MAX_ROWS, MAX_ROWS + 1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_any_number_of_rows(num_rows, dtype):
    torch.manual_seed(0)
    layer = nn.Linear(24, 10, dtype=dtype)
    x = torch.randn(num_rows, 24, dtype=dtype)
    torch.testing.assert_close(Product(layer.weight, layer.bias)(x), layer(x).detach())
    torch.testing.assert_close(Product(layer.weight)(x), F.linear(x, layer.weight).detach())


@pytest.mark.usefixtures("at_work")
def test_a_weight_that_is_a_view():
    torch.manual_seed(0)
    weight, x = torch.randn(24, 10).t(), torch.randn(2, 24)
    torch.testing.assert_close(Product(weight)(x), x @ weight.t())


@pytest.mark.usefixtures("at_work")
def test_a_weight_that_is_trained_further():
    layer = nn.Linear(4, 3)
    product, x = Product(layer.weight, layer.bias), torch.ones(1, 4)
    with torch.no_grad():
        layer.weight.fill_(2)
        layer.bias.fill_(1)
    assert product(x).tolist() == [[9, 9, 9]]


@pytest.mark.usefixtures("at_work")
def test_torch_s_attention_and_ours_are_one():
    torch.manual_seed(0)
    lengths = np.array([0, 3, 6])
    qkv, cache = torch.randn(3, 3 * 12), torch.randn(2, 3, 2, 7, 6)
    ours, theirs = cache.clone(), cache.double()
    y = attend(qkv, ours[0], ours[1], lengths)
    expected = attend(qkv.double(), theirs[0], theirs[1], lengths)
    torch.testing.assert_close(y, expected.float())
    torch.testing.assert_close(ours, theirs.float())


def test_torch_keeps_its_number_of_threads():
    before = torch.get_num_threads()
    with kernels_at_work():
        Product(torch.ones(2, 2))(torch.ones(1, 2))
    assert torch.get_num_threads() == before
