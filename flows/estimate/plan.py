"""All of a recipe's stages, and their sums."""

from dataclasses import dataclass
from pathlib import Path

from flows.estimate.corpus_stages import (
    StageEstimate,
    Surroundings,
    estimate_corpus,
    num_tokens,
)
from flows.estimate.machine_speed import measure_speed
from flows.estimate.model_stages import estimate_model
from flows.estimate.rates import shipped, slowness
from flows.recipe import Recipe

_ALONE = 0.9


@dataclass(frozen=True)
class Plan:
    """What a recipe is going to take."""

    stages: list[StageEstimate]
    """The last is what is around the others."""
    notes: list[str]

    @property
    def total(self) -> StageEstimate:
        """All stages, one after the other, within the flow."""
        *stages, flow = self.stages
        return StageEstimate(
            "total",
            seconds=sum(stage.seconds for stage in self.stages),
            low_s=sum(stage.low_s for stage in self.stages),
            high_s=sum(stage.high_s for stage in self.stages),
            disk_bytes=sum(stage.disk_bytes for stage in self.stages),
            memory_bytes=max(stage.memory_bytes for stage in stages) + flow.memory_bytes,
            network_bytes=sum(stage.network_bytes for stage in self.stages),
        )


def plan(
    recipe: Recipe,
    data: Path,
    workers: int,
    *,
    until: str | None = None,
    links: int | None = None,
    mbit_per_s: float = 100.0,
    gpu: str | None = None,
) -> Plan:
    """Estimate every stage of a recipe; nothing is run but a second of calibration.

    Args:
        recipe: What is going to be made.
        data: The data folder; what was measured in it counts more than what is shipped.
        workers: Worker processes per stage.
        until: "tokens" for a build without training and scores; None: everything.
        links: Links to crawl; None: as the dumps are large.
        mbit_per_s: The network's rate.
        gpu: What trains and scores, as torch names it; None: this machine's GPU or CPU.

    Raises:
        UsageError: nobody knows the rate of that GPU.
    """
    here = Surroundings(data, workers, measure_speed(workers), mbit_per_s, links)
    stages = list(estimate_corpus(recipe, here))
    if until is None:
        tokens = num_tokens(recipe, stages[-1].units)
        val_tokens = tokens * recipe.tokens.val_fraction
        stages += estimate_model(recipe, val_tokens, here, gpu or _own_gpu())
    flow = shipped()["flow"]
    flow_s = flow["fixed_s"] * slowness(here.speed) * (1.0 if until is None else 0.7)
    memory = flow["memory"]
    stages.append(StageEstimate("flow", flow_s, flow_s * 0.7, flow_s * 2, memory_bytes=memory))
    return Plan(stages, _notes(stages, here.speed.share))


def _own_gpu() -> str | None:
    """This machine's, if its rate is known: a training on another one is faster than we say."""
    import torch

    from model.training.throughput import known_gpus

    name = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return name if name.removeprefix("NVIDIA ") in known_gpus() else None


def _notes(stages: list[StageEstimate], share: float) -> list[str]:
    notes = [f"{stage.name}: assumed: {each}" for stage in stages for each in stage.assumed]
    measured = [stage.measured for stage in stages if stage.measured]
    if measured:
        notes.insert(0, f"measured in the data folder: {'; '.join(measured)}")
    if share < _ALONE:
        notes.append(
            f"others are at work on this machine: {share:.0%} of it was ours just now, and shipped "
            "rates are taken to be that much slower"
        )
    return notes
