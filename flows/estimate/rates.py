"""What a stage takes per unit: as measured in the data folder, or as shipped with webtext."""

import os
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from corpus.manifest import Manifest
from flows.corpora.catalog import finished
from flows.corpora.summary import lineage
from flows.estimate.machine_speed import MachineSpeed

_SHIPPED = Path(__file__).with_name("rates.toml")
_ENOUGH_S = 1.0
"""A stage that took less says nothing about its rate."""


@dataclass(frozen=True)
class Rate:
    """One stage."""

    fixed_s: float
    core_s: float
    """Seconds of one core per unit that comes in."""
    out: float
    """Units that come out per unit that comes in."""
    out_bytes: float
    """Bytes on disk per unit that comes out."""
    memory: float
    """Bytes of a worker."""
    memory_per_unit: float = 0.0
    scratch_per_unit: float = 0.0
    assumed: str = ""
    """What of it was assumed and not measured."""
    measured: str = ""
    """The run in the data folder that it was measured in; empty: shipped with webtext."""


@cache
def shipped() -> dict[str, Any]:
    """The tables of rates.toml."""
    return tomllib.loads(_SHIPPED.read_text(encoding="utf-8"))


def stage_rate(stage: str, profile: str, data: Path, speed: MachineSpeed, workers: int) -> Rate:
    """The rate of a corpus stage here.

    Args:
        stage: `pages`.
        profile: `demo` or `crawl`: whether pages come from this machine or from the web.
        data: Its finished stages of the same kind say what this machine takes.
        speed: This machine's, for a rate that was measured on another.
        workers: As many as earlier runs are taken to have had.
    """
    known = Rate(**shipped()[profile][stage])
    runs = [m for f, m in finished(data, stage) if _says_much(m) and _profile(f, m) == profile]
    if runs:
        return _measured(known, max(runs, key=units_of), workers)
    factor = slowness(speed)
    return replace(known, fixed_s=known.fixed_s * factor, core_s=known.core_s * factor)


def slowness(speed: MachineSpeed) -> float:
    """How many times longer this machine takes than the one that rates were measured on."""
    return shipped()["machine"]["words_per_s"] / speed.words_per_s


def _measured(known: Rate, manifest: Manifest, workers: int) -> Rate:
    """By its largest run: a small one is all beginning."""
    counts, seconds = manifest.counts, manifest.times.seconds
    units = units_of(manifest)
    size = sum(shard.bytes for shard in manifest.shards)
    # What is there before the first unit cannot be told from one run: as much of it as is known.
    fixed_s = min(known.fixed_s, seconds / 2)
    out = manifest.figures.get("num_submissions", counts.out)
    return replace(
        known,
        fixed_s=fixed_s,
        core_s=(seconds - fixed_s) * cores_at_work(manifest.stage, workers) / units,
        out=float(out) / units,
        out_bytes=size / max(1.0, float(out)),
        assumed="",
        measured=f"{manifest.stage}, {units:,.0f} in {seconds:,.0f} s",
    )


def units_of(manifest: Manifest) -> float:
    """What a rate is per: what comes in; of the demo's web the sources that were chosen."""
    counts = manifest.counts
    return float(max(1, counts.incoming - counts.rejects.get("not_chosen", 0)))


def cores_at_work(stage: str, workers: int) -> int:
    """Cores that a stage keeps busy."""
    return 1 if stage == "ngrams" else min(workers, os.cpu_count() or 1)


def _says_much(manifest: Manifest) -> bool:
    return manifest.times.seconds >= _ENOUGH_S


def _profile(folder: Path, manifest: Manifest) -> str:
    """`demo` if it was made of the demo's web; the links read a dump in the web's folder."""
    dumps = [Path(source.path).parts for source in manifest.inputs.values()]
    if "web" in lineage(folder) or any("web" in parts[-4:-1] for parts in dumps):
        return "demo"
    return "crawl"
