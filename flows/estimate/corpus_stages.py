"""What the stages from links to the n-gram index are going to take."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from flows.demo.docs import find_sources
from flows.demo.web import choose_sources
from flows.estimate.machine_speed import MachineSpeed
from flows.estimate.rates import Rate, cores_at_work, shipped, stage_rate
from flows.recipe import Recipe

_STAGES = ("links", "pages", "documents", "unique", "tokens", "ngrams")
_LINKS_OF_THE_PAPER = 45_000_000
# Of OpenAI's published counts of WebText by domain: google has 1,542,261 of 45 million.
_LARGEST_HOST = 0.034
_SENT_BYTES = 60_000  # of a page, by the network: docs/operations.md
_DUMP_BYTES = 130  # of a submission in a compressed monthly dump
_SURE, _UNSURE = (0.7, 1.5), (0.4, 3.0)


@dataclass(frozen=True)
class StageEstimate:
    """What one stage is going to take."""

    name: str
    seconds: float
    low_s: float
    high_s: float
    disk_bytes: float = 0.0
    memory_bytes: float = 0.0
    network_bytes: float = 0.0
    units: float = 0.0
    """What comes in."""
    measured: str = ""
    """The run in the data folder whose rate was taken; empty: shipped rates."""
    assumed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Surroundings:
    """Where it is going to run."""

    data: Path
    workers: int
    speed: MachineSpeed
    mbit_per_s: float
    links: int | None = None
    """Links to crawl, where a person knows better than we."""


def estimate_corpus(recipe: Recipe, here: Surroundings) -> Iterator[StageEstimate]:
    """The stages of a build, in order."""
    profile = "crawl" if recipe.web is None else "demo"
    assumed: list[str] = []
    if recipe.web is None:
        units, assumed = _submissions(recipe)
    else:
        # As many as the installed packages have: it takes a second to look.
        units = float(len(choose_sources(find_sources(recipe.web.folders()), recipe.web)))
        rate = stage_rate("web", profile, here.data, here.speed, here.workers)
        yield _one("web", rate, units, here, assumed)
        units *= rate.out
    for name in _STAGES:
        rate = stage_rate(name, profile, here.data, here.speed, here.workers)
        if recipe.archives.files and name in ("links", "pages"):
            continue
        if name == "pages" and profile == "crawl":
            units = float(here.links or units)
            yield _crawl(rate, units, recipe, here)
        else:
            yield _one(name, rate, units, here, assumed)
        assumed = []
        units *= rate.out


def num_tokens(recipe: Recipe, documents: float) -> float:
    """Tokens of so many documents."""
    per_document = shipped()["tokens_per_document"]["crawl" if recipe.web is None else "demo"]
    return documents * per_document


def _submissions(recipe: Recipe) -> tuple[float, list[str]]:
    """What comes in at the beginning, and what was assumed of it."""
    if recipe.archives.files:
        size = sum(path.stat().st_size for path in recipe.archives.files if path.is_file())
        return size / 34_000, ["a page takes 34 KB of an archive"]
    dumps = [path for path in (*recipe.links.dumps, *recipe.links.urls) if path.is_file()]
    if dumps:
        size = sum(path.stat().st_size for path in dumps)
        return size / _DUMP_BYTES, [f"{_DUMP_BYTES} bytes of a dump are a submission"]
    links = _LINKS_OF_THE_PAPER / shipped()["crawl"]["links"]["out"]
    return links, ["the recipe names no dump that is there: the paper's 45 million links"]


def _one(
    name: str, rate: Rate, units: float, here: Surroundings, assumed: list[str]
) -> StageEstimate:
    seconds = rate.fixed_s + units * rate.core_s / cores_at_work(name, here.workers)
    low, high = _UNSURE if rate.assumed or assumed else _SURE
    return StageEstimate(
        name,
        seconds,
        seconds * low,
        seconds * high,
        disk_bytes=units * rate.out * rate.out_bytes + units * rate.scratch_per_unit,
        memory_bytes=rate.memory * cores_at_work(name, here.workers) + units * rate.memory_per_unit,
        units=units,
        measured=rate.measured,
        assumed=[*assumed, *([rate.assumed] if rate.assumed else [])],
    )


def _crawl(rate: Rate, units: float, recipe: Recipe, here: Surroundings) -> StageEstimate:
    """A crawl of the real web takes as long as the slowest of cores, network and manners."""
    plain = _one("pages", rate, units, here, [])
    sent = units * rate.out * _SENT_BYTES
    network_s = sent * 8 / (here.mbit_per_s * 1e6)
    largest = units * _LARGEST_HOST
    manners_s = largest * recipe.crawl.per_host_delay_s
    bounds = {"the cores": plain.seconds, "the network": network_s, "manners": manners_s}
    slowest = max(bounds, key=lambda name: bounds[name])
    return StageEstimate(
        "pages",
        bounds[slowest],
        # Stopped when the largest hosts alone are left, it has lost few links.
        max(plain.seconds, network_s, manners_s / 10) * _UNSURE[0],
        bounds[slowest] * _UNSURE[1],
        disk_bytes=plain.disk_bytes + units * 130,
        memory_bytes=plain.memory_bytes,
        network_bytes=sent,
        units=units,
        measured=rate.measured,
        assumed=[
            *plain.assumed,
            f"bound by {slowest}: the largest host has {largest:,.0f} links "
            f"(3.4 %, as google in WebText), {recipe.crawl.per_host_delay_s:g} s apart",
        ],
    )
