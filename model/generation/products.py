"""A model's linear layers in use, by the kernel that is fastest for so many rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

import numba
import numpy as np
import torch
from numba.core import config
from torch import Tensor
from torch.nn import functional as F

from model.generation import kernels

MAX_ROWS: Final = 32
"""BLAS gets more rows than these; at 32 ours still takes three quarters of its time."""

_MOST_THREADS: Final[int] = config.NUMBA_NUM_THREADS  # pyright: ignore[reportAttributeAccessIssue]

# Where numba finds neither OpenMP nor TBB, two threads in its kernels at once end the process.
_ONE_AT_A_TIME: Final = Lock()


class Product:
    """`F.linear` with a fixed weight, which may be trained further but must not be moved.

    Calls belong within `kernels_at_work`.

    Args:
        weight: (N, K), on any device; no copy is made.
        bias: (N,), or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self._weight = weight.detach()
        self._bias = weight.new_zeros(len(weight)) if bias is None else bias.detach()
        self._arrays: tuple[np.ndarray, np.ndarray] | None = None
        if has_kernels(self._weight) and self._weight.is_contiguous():
            self._arrays = self._weight.numpy(), self._bias.numpy()

    def __call__(self, x: Tensor) -> Tensor:
        """(M, K) to (M, N)."""
        if self._arrays is None or x.shape[0] > MAX_ROWS:
            return F.linear(x, self._weight, self._bias)
        out = x.new_empty(x.shape[0], self._weight.shape[0])
        kernels.linear(x.numpy(), *self._arrays, out.numpy())
        return out


def attend(qkv: Tensor, keys: Tensor, values: Tensor, lengths: np.ndarray) -> Tensor:
    """As `kernels.attend`, on any device: (B, 3C) to (B, C). Belongs within `kernels_at_work`."""
    num_rows, width = qkv.shape[0], qkv.shape[1] // 3
    if has_kernels(qkv):
        out = qkv.new_empty(num_rows, width)
        kernels.attend(qkv.numpy(), keys.numpy(), values.numpy(), lengths, out.numpy())
        return out
    q, k, v = qkv.view(num_rows, 3, keys.shape[1], 1, -1).unbind(1)  # (B, H, 1, D)
    rows, places = torch.arange(num_rows, device=qkv.device), torch.from_numpy(lengths)
    places = places.to(qkv.device)
    keys[rows, :, places], values[rows, :, places] = k[:, :, 0], v[:, :, 0]
    longest = int(lengths.max()) + 1
    is_seen = torch.arange(longest, device=qkv.device) <= places[:, None]  # (B, T)
    y = F.scaled_dot_product_attention(
        q, keys[:, :, :longest], values[:, :, :longest], attn_mask=is_seen[:, None, None]
    )
    return y.view(num_rows, width)


def has_kernels(tensor: Tensor) -> bool:
    """Whether ours work on such tensors: float32 in the memory of a CPU."""
    return tensor.device.type == "cpu" and tensor.dtype == torch.float32


@contextmanager
def kernels_at_work() -> Iterator[None]:
    """Let the kernels have as many threads as torch; only one thread at a time gets in."""
    num_threads = torch.get_num_threads()
    with _ONE_AT_A_TIME:
        numba.set_num_threads(min(num_threads, _MOST_THREADS))
        yield
    if torch.get_num_threads() != num_threads:
        # The two share OpenMP, whose number of threads numba sets when it starts its own.
        torch.set_num_threads(num_threads)
