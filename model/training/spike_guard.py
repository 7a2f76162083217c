"""Leaves out an update whose loss or gradient norm stands far above the last ones, as llm.c does.

A skipped value counts among the last ones too: else a norm that rises within a few steps, as while
a model learns something new, would be skipped for ever, as it cannot fall without updates. But it
counts as no more than the highest value that would have passed. So one spike of 100 deviations does
not hide one of 50 after it, and a rise by 100 that stays is not normal after four steps, but stops
the run: with a limit of 6 deviations ten skips in a row lift it to 21 of the first ones.
"""

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from corpus.errors import WebtextError

WINDOW = 128
"""Values that a new one is held against; steps within which skipped ones are counted."""

# A window that differs in rounding only, such as of a model that no longer learns, is no measure
# of what is usual.
_LEAST_SPREAD = 1e-6


class SpikeGuard:
    """Judges every step of a run, from its first; all processes must give it the same values.

    Args:
        zscore: Standard deviations above the mean from which on an update is skipped; 0 skips none.
        max_spikes: Skipped steps among the last 128 that a run survives.
    """

    def __init__(self, zscore: float, max_spikes: int) -> None:
        self._zscore = zscore
        self._max_spikes = max_spikes
        self._step = 0
        self._skipped: deque[int] = deque()
        self._losses: deque[float] = deque(maxlen=WINDOW)
        self._grad_norms: deque[float] = deque(maxlen=WINDOW)

    def judge(self, loss: float, grad_norm: float) -> str | None:
        """Look at the next step before its update.

        Args:
            loss: Mean loss of the step's batch, over all processes.
            grad_norm: Norm of its gradient before clipping.

        Returns:
            Why this update should be skipped, or None to take it. None is skipped before 128
            values are there to judge by.

        Raises:
            ValueError: one of them is not finite, and has to stop the run before it comes here.
            WebtextError: more than `max_spikes` of the last 128 steps were skipped.
        """
        if not (math.isfinite(loss) and math.isfinite(grad_norm)):
            raise ValueError(f"loss and gradient norm must be finite, got {loss} and {grad_norm}")
        self._step += 1
        reasons = [
            *self._reasons("loss", loss, self._losses),
            *self._reasons("gradient norm", grad_norm, self._grad_norms),
        ]
        if not reasons:
            return None
        self._count_spike()
        return " and ".join(reasons)

    def memory(self) -> dict[str, list[float]]:
        """All that later judgements depend on; JSON keeps it to the bit."""
        return {
            "step": [float(self._step)],
            "skipped": [float(step) for step in self._skipped],
            "loss": list(self._losses),
            "grad_norm": list(self._grad_norms),
        }

    def restore(self, memory: Mapping[str, Sequence[float]]) -> None:
        """Go on as the guard would have from which `memory` comes."""
        self._step = int(memory["step"][0])
        self._skipped = deque(int(step) for step in memory["skipped"])
        self._losses = deque(memory["loss"], maxlen=WINDOW)
        self._grad_norms = deque(memory["grad_norm"], maxlen=WINDOW)

    def _reasons(self, name: str, value: float, window: deque[float]) -> Iterator[str]:
        """Why to skip a step with this value, which joins the window: one reason or none."""
        mean, deviation = _usual(window)
        limit = mean + self._zscore * deviation if self._zscore else math.inf
        window.append(min(value, limit))
        if value > limit:
            height = (value - mean) / deviation
            yield f"{name} {value:.4g} is {height:.1f} standard deviations above the last {WINDOW}"

    def _count_spike(self) -> None:
        self._skipped.append(self._step)
        while self._skipped[0] <= self._step - WINDOW:
            self._skipped.popleft()
        if len(self._skipped) > self._max_spikes:
            steps = ", ".join(map(str, self._skipped))
            raise WebtextError(
                f"the training is unstable: {len(self._skipped)} of the last {WINDOW} updates were "
                f"spikes (train.max_spikes = {self._max_spikes}), at steps {steps}",
                hint="Lower train.lr, leave these batches out with train.skipped_steps, or raise "
                "train.spike_zscore.",
            )


def _usual(window: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation; an infinite one where the window is no measure."""
    if len(window) < WINDOW:
        return 0.0, math.inf
    # Anew for every value: running sums would drift, and after a restart drift differently.
    mean = math.fsum(window) / WINDOW
    deviation = math.sqrt(math.fsum((each - mean) ** 2 for each in window) / WINDOW)
    return mean, deviation if deviation > _LEAST_SPREAD * abs(mean) else math.inf
