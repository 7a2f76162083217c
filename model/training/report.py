"""What rank 0 says while it trains: JSON lines to a program, or text to a person."""

import os
import shlex
import sys
import time

from corpus.child import emit, has_parent
from model.metrics import Metrics

_EVERY_S = 5.0


class TrainingReport:
    """Tells of the start, each step and the end of a training of `num_steps`."""

    def __init__(self, num_steps: int) -> None:
        self._num_steps = num_steps
        self._is_watched = has_parent()
        self._started_at = 0.0
        self._said_at = 0.0
        self._first = 0

    def start(self, step: int, num_parameters: int) -> None:
        """Training begins, or goes on after `step` steps."""
        self._first = step
        self._started_at = time.monotonic()
        if self._is_watched:
            emit({"event": "start", "step": step, "parameters": num_parameters})
        else:
            _say(f"{num_parameters:,} parameters; {step:,} of {self._num_steps:,} steps are done")

    def step(self, metrics: Metrics) -> None:
        """A step was taken."""
        if self._is_watched:
            emit({"event": "step", **metrics})
            return
        step, now = metrics["step"], time.monotonic()
        is_due = now - self._said_at > _EVERY_S or step == self._num_steps
        if is_due or "val_loss" in metrics or "skipped" in metrics:
            left = (now - self._started_at) / (step - self._first) * (self._num_steps - step)
            _say(f"step {step:,}/{self._num_steps:,}  {_figures(metrics)}  {_clock(left)} left")
            self._said_at = now

    def stopped(self, step: int) -> None:
        """Training was asked to end before its last step, and did."""
        if self._is_watched:
            emit({"event": "stopped", "step": step})
        else:
            by_torchrun = "TORCHELASTIC_RUN_ID" in os.environ
            command = "the same torchrun" if by_torchrun else shlex.join(sys.orig_argv)
            done = f"after step {step:,}, which is saved" if step else "before its first step"
            _say(f"stopped {done}; resume with: {command}")


def _figures(metrics: Metrics) -> str:
    parts = [f"loss {metrics['loss']:.3f}", f"lr {metrics['lr']:.1e}"]
    parts += [f"norm {metrics['grad_norm']:.2f}", f"{metrics['tokens_per_s']:,.0f} tok/s"]
    if "mfu" in metrics:
        parts.append(f"MFU {metrics['mfu']:.0%}")
    if "val_loss" in metrics:
        parts.append(f"held-out loss {metrics['val_loss']:.3f}")
    if "skipped" in metrics:
        parts.append(f"update skipped: {metrics['skipped']}")
    return "  ".join(parts)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
