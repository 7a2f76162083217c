"""A stage of many small shards, called as it is or by a flow: what Prefect costs per shard.

    python -m benchmarks.sharded_flow plain|flow FOLDER NUM_SHARDS

Prints one JSON object: the seconds that the call took, without imports and the server's start,
and the hash of what was made.
"""

import hashlib
import json
import sys
import time
from pathlib import Path

from corpus.manifest import Manifest, read_manifest
from corpus.runtime import Runtime
from corpus.settings import Section
from corpus.stage import Inputs, StageWriter

_ROWS = 100


class ShardsConfig(Section):
    """How many shards to write."""

    num_shards: int


def write_shards(config: ShardsConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Write shards of a hundred short rows each, in a loop."""
    writer = StageWriter("shards", config, inputs, output)
    runtime.progress.start(config.num_shards, "shards")
    for index in range(config.num_shards):
        rows = ({"key": f"{index}-{row}", "reason": "none", "detail": ""} for row in range(_ROWS))
        writer.write_rejects(index, rows)
        runtime.progress.advance()
    return writer.finish(config.num_shards * _ROWS)


def main() -> None:
    """Make the shards the way that the command line says."""
    way, folder, num_shards = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    config = ShardsConfig(num_shards=num_shards)
    if way == "flow":
        seconds, output = _by_flow(config, folder)
    else:
        output = folder / "shards" / "plain"
        started = time.perf_counter()
        write_shards(config, {}, output, Runtime())
        seconds = time.perf_counter() - started
    made = [shard.sha256 for shard in read_manifest(output).shards]
    digest = hashlib.sha256("".join(made).encode()).hexdigest()
    print(json.dumps({"seconds": seconds, "sha256": digest}))


def _by_flow(config: ShardsConfig, data: Path) -> tuple[float, Path]:
    from flows.embedded_prefect import embedded_prefect

    with embedded_prefect(data):
        # Only now: importing Prefect fixes its settings.
        from prefect import flow  # noqa: TID251 - it is what is measured

        from flows.run_stage import Stage, run_stage

        @flow(persist_result=False)
        def make_shards(config: ShardsConfig, data: Path) -> Path:
            return run_stage(Stage("shards", write_shards), config, {}, data)

        started = time.perf_counter()
        output = make_shards(config, data)
        return time.perf_counter() - started, output


if __name__ == "__main__":
    main()
