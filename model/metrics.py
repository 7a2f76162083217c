"""metrics.jsonl: what each step of a run measured, one JSON object per line."""

from pathlib import Path
from typing import NotRequired, TypedDict

import orjson

METRICS = "metrics.jsonl"


class Metrics(TypedDict):
    """What one optimizer step measured."""

    step: int
    """Steps done, this one included."""
    loss: float
    """Mean cross-entropy of the batch in nats per token, before the step."""
    lr: float
    """Learning rate of the step."""
    tokens_per_s: float
    """Tokens of the batch over the wall-clock time of the step."""
    val_loss: NotRequired[float]
    """Held-out cross-entropy in nats per token after the step; some steps only."""


def read_metrics(run: Path) -> list[Metrics]:
    """The lines of a run folder's metrics, in order; a line torn by a kill ends them."""
    path = run / METRICS
    if not path.is_file():
        return []
    metrics: list[Metrics] = []
    with path.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                break
            metrics.append(orjson.loads(line))
    return metrics
