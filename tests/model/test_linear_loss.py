"""The loss in chunks is torch's cross-entropy of whole logits, and so are its gradients."""

from functools import partial

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from model import linear, linear_loss
from model.linear_loss import chunk_loss, fusible_chunk_loss, linear_cross_entropy


@pytest.fixture
def chunks(monkeypatch):
    """Sets how many elements of logits a chunk has."""
    return lambda num: monkeypatch.setattr(linear_loss, "_CHUNK_ELEMENTS", num)


def example(num_rows=11, width=6, vocab_size=9, padding=3, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(num_rows, width, generator=generator).to(dtype)
    weight = torch.randn(vocab_size + padding, width, generator=generator).to(dtype)
    targets = torch.randint(vocab_size, (num_rows,), generator=generator)
    return x.requires_grad_(), weight.requires_grad_(), targets, vocab_size


def whole_loss(x, weight, targets, vocab_size):
    """What it stands for."""
    return F.cross_entropy(F.linear(x, weight)[:, :vocab_size].float(), targets)


def loss_and_gradients(function, x, weight, targets, vocab_size, scale=1.0):
    loss = function(x, weight, targets, vocab_size)
    return loss.detach(), *torch.autograd.grad(loss * scale, (x, weight))


SHAPES = {
    "num_rows": st.integers(1, 40),
    "width": st.integers(1, 9),
    "vocab_size": st.integers(1, 70),
    "padding": st.integers(0, 64),
    "seed": st.integers(0, 2**32),
}


@pytest.mark.parametrize("of_a_chunk", [chunk_loss, fusible_chunk_loss])
@settings(max_examples=60)
@given(
    shape=st.fixed_dictionaries(SHAPES),
    chunk_elements=st.integers(1, 3000),
    scale=st.floats(-4, 4),
)
def test_any_chunks_give_the_loss_and_gradients_of_whole_logits(
    of_a_chunk, shape, chunk_elements, scale
):
    in_chunks = partial(linear_cross_entropy, chunk_loss=of_a_chunk)
    arguments = example(**shape)
    expected = loss_and_gradients(whole_loss, *arguments, scale)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear_loss, "_CHUNK_ELEMENTS", chunk_elements)
        got = loss_and_gradients(in_chunks, *arguments, scale)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    assert not got[2][shape["vocab_size"] :].any()


@settings(max_examples=30)
@given(shape=st.fixed_dictionaries(SHAPES), chunk_elements=st.integers(1, 3000))
def test_under_autocast_it_is_as_near_as_bf16_allows(shape, chunk_elements):
    arguments = example(**shape)
    expected = loss_and_gradients(whole_loss, *arguments)
    with pytest.MonkeyPatch.context() as patch, torch.autocast("cpu", dtype=torch.bfloat16):
        patch.setattr(linear_loss, "_CHUNK_ELEMENTS", chunk_elements)
        got = loss_and_gradients(linear_cross_entropy, *arguments)
    assert [tensor.dtype for tensor in got] == [torch.float32] * 3
    # bf16 has 8 bits: logits of up to 9 products are off by a few hundredths.
    torch.testing.assert_close(got, expected, rtol=0.05, atol=0.1)


def test_autocast_computes_in_bf16():
    x, weight, targets, vocab_size = example()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = linear_cross_entropy(x, weight, targets, vocab_size)
    rounded = whole_loss(x.bfloat16(), weight.bfloat16(), targets, vocab_size)
    torch.testing.assert_close(got, rounded, rtol=1e-6, atol=1e-6)
    assert got != linear_cross_entropy(x, weight, targets, vocab_size)


@pytest.mark.parametrize("of_a_chunk", [chunk_loss, fusible_chunk_loss])
def test_what_is_left_of_a_sure_prediction_is_not_rounded_away(of_a_chunk):
    logits = torch.tensor([[8.0, 0.0]], dtype=torch.bfloat16)
    _, gradient = of_a_chunk(logits.clone(), torch.tensor([[0]]), 2, 1)
    left = float(1 - logits.double().softmax(1)[0, 0])
    assert -gradient[0, 0].item() == pytest.approx(left, rel=0.01)  # 1 - 0.9997 in bf16 is 0


class Largest(TorchDispatchMode):
    """Notes the largest tensor that any operation returns."""

    num_elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.num_elements = max(self.num_elements, result.numel())
        return result


def test_the_logits_are_never_held_whole(chunks):
    chunks(1000)
    arguments = example(num_rows=64, width=2, vocab_size=100, padding=28)
    with Largest() as largest:
        linear_cross_entropy(*arguments).backward()
    assert 500 < largest.num_elements <= 1000  # of 8,192


def test_large_logits_do_not_overflow(chunks):
    chunks(40)
    x, weight, targets, vocab_size = example()
    x, weight = (200 * x).detach().requires_grad_(), (200 * weight).detach().requires_grad_()
    expected = loss_and_gradients(whole_loss, x, weight, targets, vocab_size)
    got = loss_and_gradients(linear_cross_entropy, x, weight, targets, vocab_size)
    assert all(tensor.isfinite().all() for tensor in got)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-3)


def test_a_number_that_is_not_one_is_not_hidden(chunks):
    chunks(40)
    x, weight, targets, vocab_size = example()
    with torch.no_grad():
        x[-1, 0] = torch.nan
    assert linear_cross_entropy(x, weight, targets, vocab_size).isnan()


def test_without_a_vocabulary_size_all_rows_can_be_predicted():
    x, weight, targets, _ = example(padding=0)
    torch.testing.assert_close(
        linear_cross_entropy(x, weight, targets), whole_loss(x, weight, targets, len(weight))
    )


def test_without_gradients_it_is_the_same_loss():
    arguments = example()
    expected = linear_cross_entropy(*arguments)
    with torch.no_grad():
        loss = linear_cross_entropy(*arguments)
    assert loss == expected
    assert not loss.requires_grad


@pytest.mark.parametrize("keep_graph", [False, True])
def test_a_second_backward_raises_rather_than_being_wrong(keep_graph):
    loss = linear_cross_entropy(*example())
    (2 * loss).backward(retain_graph=keep_graph)
    with pytest.raises(RuntimeError, match=r"second time|modified by an inplace operation"):
        loss.backward()


def test_inputs_and_weights_stay_as_they_are(chunks):
    chunks(40)
    x, weight, targets, vocab_size = example()
    before = x.detach().clone(), weight.detach().clone()
    linear_cross_entropy(x, weight, targets, vocab_size).backward()
    assert torch.equal(x, before[0])
    assert torch.equal(weight, before[1])


def test_by_onednn_it_is_the_same_in_training_and_untouched_in_use(chunks, monkeypatch):
    monkeypatch.setattr(linear, "_LARGE", 1)
    chunks(12 * 4)
    with torch.profiler.profile() as profile:
        ours = loss_and_gradients(linear_cross_entropy, *example())
    assert "mkldnn::_linear_pointwise" in {event.key for event in profile.key_averages()}
    torch.testing.assert_close(ours, loss_and_gradients(whole_loss, *example()))
    with torch.profiler.profile() as profile, torch.no_grad():
        linear_cross_entropy(*example())
    assert "mkldnn::_linear_pointwise" not in {event.key for event in profile.key_averages()}
