"""Stage "samples": text that a trained model writes, from prompts or from nothing."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import torch
from pydantic import Field

from corpus.manifest import Manifest
from corpus.runtime import Runtime
from corpus.settings import Section
from corpus.shards import shard_name
from corpus.stage import Inputs, StageWriter
from corpus.tokens.order import derive_seed
from model.checkpoint import CHECKPOINT, Checkpoint, load_checkpoint

SAMPLES = pa.schema([("prompt", pa.string()), ("text", pa.large_string())])

LIBRARIES = ("webtext", "torch", "gigatoken")


class SampleConfig(Section):
    """What to write, and how boldly."""

    prompts: tuple[str, ...] = ()
    """Texts to go on from; without any, `num_samples` texts begin at end-of-text."""

    num_samples: int = Field(default=3, ge=1)
    """Texts to write where there are no prompts."""

    max_new_tokens: int = Field(default=120, ge=1)
    """Longest continuation; end-of-text ends it sooner."""

    top_k: int = Field(default=40, ge=1)
    """Only the k likeliest tokens are drawn from (40: paper, appendix 8.2)."""

    temperature: float = Field(default=1.0, gt=0)
    """Below 1 the likelier tokens gain, above 1 they lose (1: the model as it is)."""

    seed: int = 0
    """Same seed, same text."""


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
        checkpoint = load_checkpoint(inputs["run"] / CHECKPOINT)
        rows = _rows(checkpoint, prompts, config, runtime)
        writer.write(shard_name("samples", 0), rows, SAMPLES)
    return writer.finish(len(prompts), libraries=LIBRARIES)


def sample_text(checkpoint: Checkpoint, prompt: str, config: SampleConfig, index: int = 0) -> str:
    """What the model writes after `prompt` (not repeated); an empty one means a new document.

    Args:
        checkpoint: The model and its vocabulary.
        prompt: The text to go on from; of a long one the model sees the end.
        config: How to draw.
        index: Number of the sample: equal prompts differ by it.
    """
    model, tokenizer = checkpoint.model, checkpoint.tokenizer
    generator = torch.Generator().manual_seed(derive_seed(config.seed, index))
    token_ids = [tokenizer.end_of_text, *tokenizer.encode(prompt)]
    num_given = len(token_ids)
    while len(token_ids) < num_given + config.max_new_tokens:
        context = torch.tensor([token_ids[-model.config.block_size :]])  # (1, T)
        next_id = _draw(_last_logits(checkpoint, context), config, generator)
        if next_id == tokenizer.end_of_text:
            break
        token_ids.append(next_id)
    return tokenizer.decode(token_ids[num_given:])


def _rows(
    checkpoint: Checkpoint, prompts: tuple[str, ...], config: SampleConfig, runtime: Runtime
) -> Iterator[dict]:
    for index, prompt in enumerate(prompts):
        yield {"prompt": prompt, "text": sample_text(checkpoint, prompt, config, index)}
        runtime.progress.advance()


@torch.no_grad()
def _last_logits(checkpoint: Checkpoint, context: torch.Tensor) -> torch.Tensor:
    return checkpoint.model(context)[0][0, -1]  # (V,)


def _draw(logits: torch.Tensor, config: SampleConfig, generator: torch.Generator) -> int:
    top = logits.topk(min(config.top_k, len(logits)))
    probabilities = torch.softmax(top.values / config.temperature, dim=0)
    return int(top.indices[torch.multinomial(probabilities, 1, generator=generator)])
