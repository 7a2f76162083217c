"""What a training writes to metrics.jsonl: a line per optimizer step."""

from pathlib import Path
from typing import NotRequired, TypedDict, cast

from corpus.metrics import read_metrics


class Metrics(TypedDict):
    """What one optimizer step measured."""

    step: int
    """Steps done, this one included."""
    loss: float
    """Mean cross-entropy of the batch in nats per token, before the step."""
    lr: float
    """Learning rate of the step."""
    grad_norm: float
    """Norm of the gradient over all parameters, before it was clipped."""
    tokens_per_s: float
    """Tokens of the batch over the wall-clock time of the step, over all processes."""
    memory_gb: float
    """Most memory in use so far: of this process's GPU, or of the process itself on a CPU."""
    mfu: NotRequired[float]
    """Model FLOPs utilisation: achieved over peak matrix product rate; where the peak is known."""
    skipped: NotRequired[str]
    """Why the update was not made, where it was not."""
    time: NotRequired[float]
    """When the step ended: seconds since 1970."""
    val_loss: NotRequired[float]
    """Held-out cross-entropy in nats per token after the step; some steps only."""


def read_training(run: Path) -> list[Metrics]:
    """The steps of a run folder's metrics.jsonl, in order."""
    return cast(list[Metrics], read_metrics(run))
