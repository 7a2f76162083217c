"""`nn.Linear` by the fastest products that torch has for training.

For fp32 on a CPU torch takes MKL's, which are slow where rows meet a weight as `nn.Linear` keeps
it: 1,024 rows through the layers of GPT-2 124M went at 130 to 180 GFLOP/s on two cores of an EPYC,
by oneDNN at 200 to 210. Of the gradients' products neither is the faster one. The loss of 1,024
rows over 50,304 tokens took 1.24 s with oneDNN's logits and 1.47 s with MKL's.

A model in use keeps MKL's: their last digits are those of other implementations, and their rounding
errors half as large.
"""

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional as F

# Multiplications from which on it is worth the 0.1 ms or so that an operator of Python's costs.
_LARGE = 1 << 27

# What torch.compile itself puts in the place of a linear layer on a CPU; its name is not promised.
_ONEDNN = getattr(torch.ops.mkldnn, "_linear_pointwise", None)


class Linear(nn.Linear):
    """`nn.Linear`; in training on a CPU by oneDNN."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002, as torch names it
        """(..., in_features) to (..., out_features)."""
        is_fp32 = not torch.is_autocast_enabled("cpu")
        if is_fp32 and torch.is_grad_enabled() and _is_for_onednn(input, self.out_features):
            return _linear(input, self.weight, self.bias)
        return F.linear(input, self.weight, self.bias)


def product_in_training(x: Tensor, weight: Tensor, out: Tensor) -> Tensor:
    """The logits `x @ weight.T`, without a gradient of their own.

    Args:
        x: (N, C).
        weight: (V, C).
        out: (N, V) of memory that may be used for it.
    """
    if _ONEDNN is not None and _is_for_onednn(x, len(weight)):
        return _ONEDNN(x, weight, None, "none", [], "")
    return torch.mm(x, weight.T, out=out)


def _is_for_onednn(x: Tensor, out_features: int) -> bool:
    is_large = x.numel() * out_features >= _LARGE
    is_known = _ONEDNN is not None and x.device.type == "cpu" and x.dtype == torch.float32
    return is_large and is_known and x.dim() > 1


# An operator of its own, as torch.compile cannot look into oneDNN's.
@torch.library.custom_op("webtext::linear", mutates_args=())
def _linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    assert _ONEDNN is not None
    return _ONEDNN(x, weight, bias, "none", [], "")


@_linear.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return x.new_empty(*x.shape[:-1], len(weight))


def _keep(ctx: FunctionCtx, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:2])


def _gradients(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, weight = ctx.saved_tensors  # pyright: ignore[reportAttributeAccessIssue]
    needs_x, needs_weight, needs_bias = ctx.needs_input_grad  # pyright: ignore[reportAttributeAccessIssue]
    rows = grad.flatten(0, -2)
    return (
        grad @ weight if needs_x else None,
        rows.T @ x.flatten(0, -2) if needs_weight else None,
        rows.sum(0) if needs_bias else None,
    )


_linear.register_autograd(_gradients, setup_context=_keep)
