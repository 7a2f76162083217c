"""A loss or gradient that is no number ends a training at once, and names what it had just read."""

from collections.abc import Iterable

import numpy as np

from corpus.errors import WebtextError
from corpus.tokens.windows import TokenWindows

_NAMED = 20


def not_finite(
    step: int, loss: float, grad_norm: float, windows: TokenWindows, batch: np.ndarray
) -> WebtextError:
    """The error for a step whose loss or gradient norm is NaN or infinite.

    Args:
        step: Steps taken before it.
        loss: Its loss.
        grad_norm: Its gradient's norm.
        windows: Where its batch is from.
        batch: The windows of all processes.
    """
    number = step + 1  # as metrics.jsonl counts
    documents = list(dict.fromkeys(_documents(windows, batch)))
    named = ", ".join(documents[:_NAMED])
    if len(documents) > _NAMED:
        named += f" and {len(documents) - _NAMED} more"
    return WebtextError(
        f"step {number}: the loss is {loss} and the gradient's norm {grad_norm}. "
        f"The step read the documents {named}",
        hint=f"`webtext corpus pages RUN --step {number}` shows them. Leave the step out with "
        f"--set 'train.skipped_steps=[[{number}, {number + 1}]]', or lower train.lr.",
    )


def _documents(windows: TokenWindows, batch: np.ndarray) -> Iterable[str]:
    for index in batch.tolist():
        for part in windows.documents(index):
            yield part.document_id
