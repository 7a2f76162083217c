"""Stage "samples": text that a trained model writes, from prompts or from nothing."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from corpus.manifest import Manifest
from corpus.runtime import Runtime
from corpus.shards import shard_name
from corpus.stage import Inputs, StageWriter
from model.checkpoint import Checkpoint, fastest_device, load_checkpoint
from model.generation.settings import SampleConfig
from model.generation.text import write_texts
from model.settings import CHECKPOINT

SAMPLES = pa.schema([("prompt", pa.string()), ("text", pa.large_string())])

LIBRARIES = ("webtext", "torch", "numba", "gigatoken")


def run(config: SampleConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Write samples-00000.arrow, one row per text.

    Args:
        config: The recipe's `[sample]`.
        inputs: "run": the folder of a training run.
        output: Gets the shard.
        runtime: Where to report.

    Raises:
        WebtextError: the run's checkpoint is missing or damaged.
    """
    writer = StageWriter("samples", config, inputs, output)
    prompts = config.prompts or ("",) * config.num_samples
    runtime.progress.start(len(prompts), "samples")
    if not writer.is_done(shard_name("samples", 0)):
        checkpoint = load_checkpoint(inputs["run"] / CHECKPOINT, fastest_device())
        rows = _rows(checkpoint, prompts, config, runtime)
        writer.write(shard_name("samples", 0), rows, SAMPLES)
    return writer.finish(len(prompts), libraries=LIBRARIES)


def _rows(
    checkpoint: Checkpoint, prompts: Sequence[str], config: SampleConfig, runtime: Runtime
) -> Iterator[dict]:
    texts = write_texts(checkpoint, prompts, config)
    for prompt, pieces in zip(prompts, texts, strict=True):
        yield {"prompt": prompt, "text": "".join(pieces)}
        runtime.progress.advance()
