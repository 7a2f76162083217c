"""The inner loops of one decoding step on a CPU: products of few rows, and attention.

A step reads all weights to make one token per row, so it is as fast as memory: each weight must be
read once, as it lies in the model, for all rows. BLAS is made for many rows and takes twice as long
for a few. Sums are in another order than BLAS's; no row depends on the others.
"""

from typing import Final

import numpy as np
from numba import njit, prange

# Sums may be reordered, or there is no SIMD; but NaN and infinity stay what they are.
_FASTMATH: Final = frozenset({"reassoc", "contract", "nsz", "arcp"})

_OUTPUTS_PER_TASK: Final = 16
_ZERO: Final = np.float32(0)


@njit(nogil=True, cache=True, parallel=True, fastmath=set(_FASTMATH))
def linear(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, out: np.ndarray
) -> None:  # pragma: no cover
    """`out = x @ weight.T + bias` for few rows, in float32.

    Args:
        x: (M, K).
        weight: (N, K), as `nn.Linear` holds it.
        bias: (N,).
        out: (M, N).
    """
    num_rows, num_outputs = len(x), len(weight)
    num_in_fours = num_rows // 4 * 4
    # One row needs so little arithmetic that its weights stream in as fast as memory gives them;
    # the fours then find them in the cache. So one goes first, even if a four has it again: half as
    # fast again as fours that wait for memory.
    first_alone = min(num_in_fours, num_rows - 1)
    for task in prange((num_outputs + _OUTPUTS_PER_TASK - 1) // _OUTPUTS_PER_TASK):
        first = task * _OUTPUTS_PER_TASK
        last = min(first + _OUTPUTS_PER_TASK, num_outputs)
        for row in range(first_alone, num_rows):
            for j in range(first, last):
                out[row, j] = _dot(x[row], weight[j]) + bias[j]
        for j in range(first, last, 2):
            other = min(j + 1, last - 1)  # the last one twice where they are odd
            for row in range(0, num_in_fours, 4):
                _four_rows(x, row, weight, bias, j, other, out)


@njit(nogil=True, cache=True, fastmath=set(_FASTMATH))
def _four_rows(
    x: np.ndarray,
    row: int,
    weight: np.ndarray,
    bias: np.ndarray,
    j: int,
    other: int,
    out: np.ndarray,
) -> None:  # pragma: no cover
    # By two outputs: six loads for eight products keep up with the arithmetic.
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = _ZERO
    for k in range(x.shape[1]):
        v, w = weight[j, k], weight[other, k]
        x0, x1, x2, x3 = x[row, k], x[row + 1, k], x[row + 2, k], x[row + 3, k]
        a0, a1, a2, a3 = a0 + x0 * v, a1 + x1 * v, a2 + x2 * v, a3 + x3 * v
        b0, b1, b2, b3 = b0 + x0 * w, b1 + x1 * w, b2 + x2 * w, b3 + x3 * w
    out[row, j], out[row + 1, j] = a0 + bias[j], a1 + bias[j]
    out[row + 2, j], out[row + 3, j] = a2 + bias[j], a3 + bias[j]
    out[row, other], out[row + 1, other] = b0 + bias[other], b1 + bias[other]
    out[row + 2, other], out[row + 3, other] = b2 + bias[other], b3 + bias[other]


@njit(nogil=True, cache=True, fastmath=set(_FASTMATH))
def _dot(left: np.ndarray, right: np.ndarray) -> np.float32:  # pragma: no cover
    total = _ZERO
    for k in range(len(left)):
        total += left[k] * right[k]
    return total


@njit(nogil=True, cache=True, parallel=True, fastmath=set(_FASTMATH))
def attend(
    qkv: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray,
    lengths: np.ndarray,
    out: np.ndarray,
) -> None:  # pragma: no cover
    """Put each row's new key and value into the cache, and let its query see all of them.

    Args:
        qkv: (B, 3C) query, key and value of the new token, float32.
        keys: (B, H, T, D), of which row b holds `lengths[b]`; gets one more.
        values: As `keys`.
        lengths: (B,) int64, below T.
        out: (B, C) the heads' results side by side.
    """
    num_rows, num_heads, _, head_size = keys.shape
    width = num_heads * head_size
    for task in prange(num_rows * num_heads):
        row, head = task // num_heads, task % num_heads
        new, begin, end = lengths[row], head * head_size, (head + 1) * head_size
        query = qkv[row, begin:end]
        keys[row, head, new] = qkv[row, width + begin : width + end]
        values[row, head, new] = qkv[row, 2 * width + begin : 2 * width + end]
        weights = np.empty(new + 1, np.float32)
        _scores(query, keys[row, head], weights)
        _weighted_sum(weights, values[row, head], out[row, begin:end])


@njit(nogil=True, cache=True, fastmath=set(_FASTMATH))
def _scores(query: np.ndarray, keys: np.ndarray, weights: np.ndarray) -> None:  # pragma: no cover
    """Softmax over the scaled products of the query with each key."""
    scale = np.float32(1 / np.sqrt(len(query)))
    largest = np.float32(-np.inf)
    for t in range(len(weights)):
        weights[t] = _dot(query, keys[t]) * scale
        largest = max(largest, weights[t])
    total = _ZERO
    for t in range(len(weights)):
        weights[t] = np.exp(weights[t] - largest)
        total += weights[t]
    for t in range(len(weights)):
        weights[t] /= total


@njit(nogil=True, cache=True, fastmath=set(_FASTMATH))
def _weighted_sum(
    weights: np.ndarray, values: np.ndarray, out: np.ndarray
) -> None:  # pragma: no cover
    out[:] = _ZERO
    for t in range(len(weights)):
        for d in range(len(out)):
            out[d] += weights[t] * values[t, d]
