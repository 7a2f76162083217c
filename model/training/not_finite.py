"""A loss or gradient that is no number ends a training at once, and names what it had just read."""

from collections.abc import Iterable

import numpy as np

from corpus.errors import WebtextError
from corpus.tokens.order import SampleOrder
from corpus.tokens.windows import TokenWindows

_NAMED = 20


def not_finite(
    step: int,
    loss: float,
    grad_norm: float,
    windows: TokenWindows,
    order: SampleOrder,
    batch_size: int,
) -> WebtextError:
    """The error for a step whose loss or gradient norm is NaN or infinite.

    Args:
        step: Steps taken before it.
        loss: Its loss.
        grad_norm: Its gradient's norm.
        windows: Where its batch is from.
        order: Which windows the steps take.
        batch_size: Windows of a step, over all processes.
    """
    number = step + 1  # as metrics.jsonl counts
    documents = list(dict.fromkeys(_documents(windows, order.batch(step, batch_size))))
    named = ", ".join(documents[:_NAMED])
    if len(documents) > _NAMED:
        named += f" and {len(documents) - _NAMED} more"
    return WebtextError(
        f"step {number}: the loss is {loss} and the gradient's norm {grad_norm}. "
        f"The step read the documents {named}",
        hint=f"`webtext corpus pages RUN --step {number}` shows them. Leave the step out with "
        f"--set 'train.skipped_steps={_with_step(order, step)}', or lower train.lr.",
    )


def _with_step(order: SampleOrder, step: int) -> list[list[int]]:
    """`train.skipped_steps` with this step beside those that are left out already."""
    plain = order.plain_step(step)  # what is left out is counted in a run that takes all steps
    return [[first + 1, last + 1] for first, last in sorted([*order.skipped, (plain, plain + 1)])]


def _documents(windows: TokenWindows, batch: np.ndarray) -> Iterable[str]:
    for index in batch.tolist():
        for part in windows.documents(index):
            yield part.document_id
