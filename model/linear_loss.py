"""The output layer and its cross-entropy in one: the (N, V) logits are never held whole.

At 50,257 tokens the logits of one batch outweigh the rest of a small model, three times over in
training: themselves, their log-softmax and its gradient. Here a chunk of rows goes through the
output layer, gives its loss and at once its gradients, and makes room for the next one.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from model.linear import product_in_training

# Logits of a chunk: 512 rows of 50,304 fp32 are 103 MB. On two cores, 1,024 rows in chunks of 128
# took 2.0 s, of 256 1.7 s, of 384 1.65 s, of 512 1.57 s and of 640 1.6 s: products of few rows are
# slow ones.
_CHUNK_ELEMENTS = 512 * 50_304
_CUDA_CHUNK_ELEMENTS = 8192 * 50_304  # enough to fill a GPU, 0.8 GB in bf16

ChunkLoss = Callable[[Tensor, Tensor, int, int], tuple[Tensor, Tensor]]


def chunk_loss(
    logits: Tensor, targets: Tensor, vocab_size: int, num_rows: int
) -> tuple[Tensor, Tensor]:
    """What the logits of a chunk add to the loss.

    Args:
        logits: (n, V'), V' at least `vocab_size`, in any precision; overwritten.
        targets: (n, 1) ids below `vocab_size`.
        vocab_size: V; what lies beyond is padding, never predicted.
        num_rows: N, of all chunks.

    Returns:
        The summed loss of the n targets, in fp32; and the gradient of its Nth by the logits,
        (n, V') in their precision and their place.
    """
    values = logits.float()  # in fp32 the same tensor
    values[:, vocab_size:] = -torch.inf
    at_targets = values.gather(1, targets)
    highest = values.amax(1, keepdim=True)
    sums = values.sub_(highest).exp_().sum(1, keepdim=True)
    logits.copy_(values.div_(sums * num_rows))
    # (softmax - one-hot) / N: near a probability of one that needs all of fp32.
    at_targets -= highest
    gradients = (at_targets.exp() / sums - 1) / num_rows
    logits.scatter_(1, targets, gradients.to(logits.dtype))
    return (sums.log() - at_targets).sum(), logits


def fusible_chunk_loss(
    logits: Tensor, targets: Tensor, vocab_size: int, num_rows: int
) -> tuple[Tensor, Tensor]:
    """`chunk_loss` without a step in place, which torch.compile makes one CUDA kernel of."""
    columns = torch.arange(logits.shape[1], device=logits.device)
    values = torch.where(columns < vocab_size, logits.float(), -torch.inf)
    highest = values.amax(1, keepdim=True)
    exps = (values - highest).exp()
    sums = exps.sum(1, keepdim=True)
    gradient = (exps / sums - (columns == targets).float()) / num_rows
    at_targets = logits.gather(1, targets).float() - highest
    return (sums.log() - at_targets).sum(), gradient.to(logits.dtype)


def linear_cross_entropy(
    x: Tensor,
    weight: Tensor,
    targets: Tensor,
    vocab_size: int | None = None,
    chunk_loss: ChunkLoss = chunk_loss,
) -> Tensor:
    """Mean cross-entropy of `x @ weight.T` against `targets`, in nats.

    Args:
        x: (N, C) inputs of the output layer.
        weight: (V', C) its weight; rows beyond `vocab_size` are padding: never predicted, and
            without a gradient.
        targets: (N,) ids below `vocab_size`.
        vocab_size: V; all rows of `weight` where it is None.
        chunk_loss: One of the two functions above, compiled or not.

    Returns:
        A scalar, fp32; under autocast the products are in its precision, the sums in fp32.
    """
    kind = x.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
    vocab_size = weight.shape[0] if vocab_size is None else vocab_size
    gradients = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)
    return _LinearCrossEntropy.apply(x, weight, targets, vocab_size, dtype, gradients, chunk_loss)


class _LinearCrossEntropy(torch.autograd.Function):
    """The gradients are made in `forward`, where the logits are; `backward` only scales them."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        x: Tensor,
        weight: Tensor,
        targets: Tensor,
        vocab_size: int,
        dtype: torch.dtype,
        gradients: bool,
        chunk_loss: ChunkLoss,
    ) -> Tensor:
        inputs, matrix = x.to(dtype), weight.to(dtype)
        num_rows = _rows_at_once(x, len(weight))
        buffer = inputs.new_empty(min(num_rows, len(x)), len(weight))
        grad_x = torch.empty_like(inputs) if gradients else inputs
        grad_weight = torch.empty_like(weight) if gradients else weight
        total = x.new_zeros((), dtype=torch.float32)
        for start in range(0, len(x), num_rows):
            rows = slice(start, start + num_rows)
            chunk, ids = inputs[rows], targets[rows, None]
            logits = _logits(chunk, matrix, buffer[: len(chunk)], in_training=gradients)
            loss, grad_logits = chunk_loss(logits, ids, vocab_size, len(x))
            total += loss
            if gradients:
                torch.mm(grad_logits, matrix, out=grad_x[rows])
                _add_product(grad_weight, grad_logits.T, chunk, is_first=start == 0)
            del logits, grad_logits  # before the next chunk takes as much
        if gradients:
            ctx.save_for_backward(grad_x, grad_weight)
        return total / len(x)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: FunctionCtx, grad: Tensor
    ) -> tuple[Tensor | None, ...]:
        grad_x, grad_weight = ctx.saved_tensors  # pyright: ignore[reportAttributeAccessIssue]
        return grad_x.mul_(grad), grad_weight.mul_(grad), None, None, None, None, None


def _logits(chunk: Tensor, weight: Tensor, out: Tensor, *, in_training: bool) -> Tensor:
    if in_training:
        return product_in_training(chunk, weight, out)
    return torch.mm(chunk, weight.T, out=out)


def _rows_at_once(x: Tensor, num_columns: int) -> int:
    return max(1, (_CUDA_CHUNK_ELEMENTS if x.is_cuda else _CHUNK_ELEMENTS) // num_columns)


def _add_product(total: Tensor, a: Tensor, b: Tensor, *, is_first: bool) -> None:
    """Add a @ b to `total`, in its precision; the first product fills it."""
    if a.dtype != total.dtype:
        product = a @ b
        total.copy_(product) if is_first else total.add_(product)
    elif is_first:
        torch.mm(a, b, out=total)
    else:
        total.addmm_(a, b)
