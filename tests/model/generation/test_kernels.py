"""The kernels compute what torch computes, whatever the shape."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch.nn import functional as F

from model.generation import kernels


@pytest.fixture(autouse=True, scope="module")
def torch_s_threads():
    """Numba's are as many as there are cores; with OpenMP they become torch's too."""
    num_threads = torch.get_num_threads()
    yield
    torch.set_num_threads(num_threads)


few = settings(max_examples=40)


@few
@given(st.integers(1, 18), st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_products_are_those_of_torch(num_rows, num_inputs, num_outputs, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(num_rows, num_inputs, generator=generator)
    weight = torch.randn(num_outputs, num_inputs, generator=generator)
    bias = torch.randn(num_outputs, generator=generator)
    out = np.full((num_rows, num_outputs), np.nan, np.float32)
    kernels.linear(x.numpy(), weight.numpy(), bias.numpy(), out)
    np.testing.assert_allclose(out, F.linear(x, weight, bias).numpy(), rtol=1e-4, atol=1e-4)


def test_a_row_s_product_does_not_depend_on_the_rows_beside_it():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(8, 300, generator=generator).numpy()
    weight = torch.randn(50, 300, generator=generator).numpy()
    bias = np.zeros(50, np.float32)
    together, alone = np.empty((8, 50), np.float32), np.empty((1, 50), np.float32)
    kernels.linear(x, weight, bias, together)
    for row in range(8):
        kernels.linear(x[row : row + 1], weight, bias, alone)
        np.testing.assert_allclose(alone[0], together[row], rtol=1e-5, atol=1e-5)


def test_what_is_not_finite_stays_so():
    x = np.array([[np.nan, 1], [np.inf, 1], [1, 1]], np.float32)
    out = np.empty((3, 1), np.float32)
    kernels.linear(x, np.ones((1, 2), np.float32), np.zeros(1, np.float32), out)
    np.testing.assert_array_equal(out[:, 0], [np.nan, np.inf, 2])


@few
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=4),
    st.integers(1, 3),
    st.integers(1, 20),
    st.integers(0, 2**32 - 1),
)
def test_a_query_sees_what_its_row_holds_and_itself(lengths, num_heads, head_size, seed):
    generator = torch.Generator().manual_seed(seed)
    num_rows, width = len(lengths), num_heads * head_size
    qkv = torch.randn(num_rows, 3 * width, generator=generator)
    cache = torch.randn(2, num_rows, num_heads, 10, head_size, generator=generator)
    keys, values = cache.clone().numpy()
    out = np.full((num_rows, width), np.nan, np.float32)
    kernels.attend(qkv.numpy(), keys, values, np.array(lengths), out)
    for row, length in enumerate(lengths):
        q, k, v = qkv[row].view(3, num_heads, 1, head_size)
        np.testing.assert_array_equal(keys[row, :, length], k[:, 0])
        np.testing.assert_array_equal(values[row, :, length], v[:, 0])
        seen = torch.from_numpy(np.stack([keys, values])[:, row, :, : length + 1])
        expected = F.scaled_dot_product_attention(q, seen[0], seen[1])
        np.testing.assert_allclose(out[row], expected.flatten(), rtol=1e-4, atol=1e-4)
        others = np.arange(10) != length
        np.testing.assert_array_equal(keys[row][:, others], cache[0, row][:, others])
