"""What orchestration costs: `webtext demo` against a plain script, and a flow of 1,000 shards.

    python -m benchmarks.flow [--quick] [--rounds N]

`overhead` is (demo - script) / script, by the clock, each in a new folder and in a process of its
own: Prefect's server, flows and records, MLflow, the display, checked inputs, the lists, cards and
pages that the demo writes beside its stages. The script (benchmarks.plain_pipeline) calls the same
stage functions with as many workers; both must make the same bytes in every stage.

A training of minutes drifts by more than what is measured. `overhead_outside_stages` is the same
without the time between a stage's start and its manifest: one round tells it well.

`ms_per_shard` is what a flow takes over the plain loop of the same stage, by its shards.

A script that is not counted runs first: kernels that numba compiles once are then there for both.

Under `--quick` it is a tiny `webtext build demo --until documents`, in which the fixed cost is
nearly all: that `overhead` says little of the demo's.
"""

import argparse
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.own_process import run_module
from benchmarks.side_by_side import Run, alternate, print_result
from corpus.manifest import read_manifest


@dataclass(frozen=True)
class _Plan:
    """What is measured."""

    rounds: int
    num_shards: int
    overrides: tuple[str, ...] = ()
    until: str = "samples"


_FULL = _Plan(rounds=3, num_shards=1_000)
_TINY = ("web.num_pages=40", "web.num_hosts=4", "links.partitions=1", "train.steps=10")
_QUICK = _Plan(rounds=1, num_shards=200, overrides=_TINY, until="documents")


def main() -> None:
    """Measure, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tiny build, one round: 45 s")
    parser.add_argument("--rounds", type=int, help="turns that each takes (default: 3)")
    arguments = parser.parse_args()
    plan = _QUICK if arguments.quick else _FULL
    num_rounds = arguments.rounds or plan.rounds
    with tempfile.TemporaryDirectory() as scratch:
        folders = (Path(scratch) / str(number) for number in itertools.count())
        shards = {way: partial(_write_shards, way, folders, plan) for way in ("flow", "plain")}
        sharded = alternate(shards, num_rounds)
        pipelines = _Pipelines(folders, plan)
        if not arguments.quick:
            pipelines.warm_up()
        whole = alternate({"demo": pipelines.demo, "script": pipelines.script}, num_rounds)
    seconds = {name: [runs[name].seconds for runs in whole] for name in ("demo", "script")}
    outside = [
        (demo - in_demo - (script - in_script)) / script
        for demo, script, in_demo, in_script in zip(
            *seconds.values(), *pipelines.stages_s.values(), strict=True
        )
    ]
    extra_s = [runs["flow"].seconds - runs["plain"].seconds for runs in sharded]
    print_result(
        "flow",
        {
            "overhead": statistics.median(
                a / b - 1 for a, b in zip(*seconds.values(), strict=True)
            ),
            "ms_per_shard": statistics.median(extra_s) / plan.num_shards * 1000,
        },
        {
            "overhead_outside_stages": statistics.median(outside),
            **{f"{name}_s": statistics.median(values) for name, values in seconds.items()},
            **{
                f"{name}_stages_s": statistics.median(values)
                for name, values in pipelines.stages_s.items()
            },
            "num_shards": plan.num_shards,
            "rounds": num_rounds,
            "is_quick": arguments.quick,
        },
    )


class _Pipelines:
    """Both ways from the demo's web to samples; keeps what the stages took by their manifests."""

    def __init__(self, folders: Iterator[Path], plan: _Plan) -> None:
        self._folders = folders
        self._plan = plan
        self.stages_s: dict[str, list[float]] = {"demo": [], "script": []}

    def warm_up(self) -> None:
        """A tiny script, which is not counted."""
        run_module(*self._script(next(self._folders)), *_set(_TINY))

    def demo(self) -> Run:
        """`webtext demo`, or the beginning of it, in a new folder."""
        data, until = next(self._folders), self._plan.until
        words = ["demo"] if until == "samples" else ["build", "demo", "--until", until]
        return self._run("demo", data, ["flows", *words, "--data", str(data)])

    def script(self) -> Run:
        """The plain script in a new folder."""
        data = next(self._folders)
        return self._run("script", data, [*self._script(data), "--until", self._plan.until])

    def _script(self, data: Path) -> list[str]:
        return ["benchmarks.plain_pipeline", "demo", str(data)]

    def _run(self, name: str, data: Path, command: list[str]) -> Run:
        started = time.perf_counter()
        run_module(*command, *_set(self._plan.overrides))
        seconds = time.perf_counter() - started
        manifests = [read_manifest(path.parent) for path in sorted(data.glob("*/*/manifest.json"))]
        self.stages_s[name].append(sum(manifest.times.seconds for manifest in manifests))
        print(
            f"{name}: {seconds:.1f} s, {self.stages_s[name][-1]:.1f} s of it in stages", flush=True
        )
        return Run(1, seconds, {manifest.stage: manifest.hash for manifest in manifests})


def _set(overrides: Sequence[str]) -> list[str]:
    return [word for each in overrides for word in ("--set", each)]


def _write_shards(way: str, folders: Iterator[Path], plan: _Plan) -> Run:
    command = ["benchmarks.sharded_flow", way, str(next(folders)), str(plan.num_shards)]
    result = json.loads(run_module(*command).splitlines()[-1])
    return Run(plan.num_shards, result["seconds"], result["sha256"])


if __name__ == "__main__":
    main()
