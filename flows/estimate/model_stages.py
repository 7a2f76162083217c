"""What training, scores and samples are going to take, by floating-point operations."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from corpus.benchmarks.published_sets import PUBLISHED_SETS
from corpus.errors import UsageError
from flows.estimate.corpus_stages import StageEstimate, Surroundings
from flows.estimate.rates import shipped, slowness
from flows.recipe import Recipe
from model.settings import GPT2Config

_STATE_BYTES = 16  # of a parameter: weights, gradients, AdamW's two means
_ACTIVATION_BYTES = 34  # of a token, layer and width: docs/train.md
_PROCESS_BYTES = 0.6e9  # Python and torch
_CHECKPOINT_BYTES = 12  # of a parameter: weights and AdamW's means
_FORWARD = 1 / 3  # of the operations of forward and backward
_BYTES_PER_TOKEN = 4  # of English text in GPT-2's encoding
_SURE, _UNSURE = (0.7, 1.5), (0.3, 3.0)


def estimate_model(
    recipe: Recipe, val_tokens: float, here: Surroundings, gpu: str | None
) -> Iterator[StageEstimate]:
    """Training, scores and samples.

    Args:
        recipe: What is trained and scored.
        val_tokens: Tokens of the held-out split.
        here: The machine.
        gpu: The GPU as torch names it; None: the CPU.

    Raises:
        UsageError: nobody knows the rate of that GPU.
    """
    config = GPT2Config(vocab_size=recipe.tokens.vocab_size, **recipe.model.model_dump())
    train, table = recipe.train, shipped()["training"]
    per_token = _flops_per_token(config)
    rate = _train_flops(per_token, here, gpu) * (train.processes if gpu else 1)
    tokens = train.steps * train.batch_size * config.block_size
    num_evals = math.ceil(train.steps / train.eval_every)
    windows = val_tokens / config.block_size
    if train.eval_windows != "all":
        windows = min(windows, train.eval_windows)
    looked_at = num_evals * windows * config.block_size * _FORWARD
    seconds = table["fixed_s"] * slowness(here.speed) + (tokens + looked_at) * per_token / rate
    kept = train.keep_checkpoints
    if train.milestone_every:
        kept += train.steps // train.milestone_every
    window_bytes = _ACTIVATION_BYTES * config.block_size * config.n_layer * config.n_embd
    yield StageEstimate(
        "run",
        seconds,
        seconds * _SURE[0],
        seconds * _SURE[1],
        disk_bytes=kept * _CHECKPOINT_BYTES * config.num_parameters,
        memory_bytes=_PROCESS_BYTES
        + _STATE_BYTES * config.num_parameters
        + train.micro_batch_size * window_bytes,
        units=tokens,
        assumed=[] if gpu is None else [f"MFU {table['gpu_mfu']:.1%}, as gpt2-small on an H100"],
    )
    yield _scores(recipe, config, val_tokens, rate, slowness(here.speed))
    written = recipe.sample.max_new_tokens * 3
    yield StageEstimate("samples", s := 0.2 + written * per_token / rate * 10, s, s * 30)


def _scores(
    recipe: Recipe, config: GPT2Config, val_tokens: float, rate: float, slower: float
) -> StageEstimate:
    table = shipped()["evaluation"]
    asked, assumed = val_tokens, []
    folder = recipe.benchmarks
    if folder is not None:
        found = [file for each in PUBLISHED_SETS for file in each.files if file.tasks]
        sizes = [_size(folder / f.path) for f in found if set(f.tasks) & set(recipe.evaluate.tasks)]
        asked += sum(sizes) / _BYTES_PER_TOKEN * (1.0 if not recipe.evaluate.grid else 3.0)
        assumed = ["the tasks read their files once, 4 bytes a token"]
    per_token = _flops_per_token(config) * _FORWARD
    seconds = table["fixed_s"] * slower + asked * per_token / (rate * table["share"])
    low, high = _UNSURE if assumed else _SURE
    return StageEstimate(
        "scores",
        seconds,
        seconds * low,
        seconds * high,
        disk_bytes=asked / 100,
        memory_bytes=_PROCESS_BYTES + 4 * config.num_parameters,
        units=asked,
        assumed=assumed,
    )


def _train_flops(per_token: float, here: Surroundings, gpu: str | None) -> float:
    """Floating-point operations a second that one process trains with."""
    table = shipped()["training"]
    if gpu is None:
        share = np.interp(math.log(per_token), np.log(table["flops_per_token"]), table["share"])
        return float(share) * here.speed.flops
    from model.training.throughput import known_gpus, vendor_flops

    rate = vendor_flops(gpu, "bf16") or vendor_flops(gpu, "fp32")  # older ones have no bf16
    if rate is None:
        raise UsageError(
            f"the rate of the GPU {gpu} is not known",
            hint=f"Name one of: {', '.join(known_gpus())}.",
        )
    return rate * table["gpu_mfu"]


def _flops_per_token(config: GPT2Config) -> float:
    from model.training.throughput import flops_per_token  # torch takes seconds

    return flops_per_token(config)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
