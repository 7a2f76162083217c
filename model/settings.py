"""The recipe sections of a model and its training; imports no torch, so that a flow may read it."""

import tomllib
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, PositiveInt, ValidationError, field_validator, model_validator

from corpus.errors import UsageError
from corpus.settings import Section
from corpus.tokens.order import SampleOrder

CONFIG_FILE = ".config.json"
"""In a run's folder: the RunConfig that its trainer got. A dot file, as it names this machine's
device and processes too, which are no part of the run."""

CHECKPOINT = "checkpoint"
"""In a finished run's folder: its final model."""

_VOCAB_MULTIPLE = 64

SkippedSteps = tuple[tuple[PositiveInt, PositiveInt], ...]
"""Ranges [first, last) of steps, numbered from 1."""


class ModelConfig(Section):
    """The shape of a GPT-2; the defaults are the smallest model of the paper (table 2: 117M)."""

    block_size: int = Field(default=1024, ge=1)
    """Tokens of context (paper section 2.3)."""

    n_layer: int = Field(default=12, ge=1)
    """Transformer blocks."""

    n_head: int = Field(default=12, ge=1)
    """Attention heads per block."""

    n_embd: int = Field(default=768, ge=1)
    """Width of the residual stream; a multiple of `n_head`."""

    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of activations dropped in training. The paper's models underfit, so none."""

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd ({self.n_embd}) is not a multiple of n_head ({self.n_head})")
        return self


class GPT2Config(ModelConfig):
    """A model's shape with the size of the vocabulary, which the token shards decide."""

    vocab_size: int = Field(default=50_257, ge=1)
    """Token ids, end-of-text included."""

    @property
    def padded_vocab_size(self) -> int:
        """Rows of the embedding: the vocabulary rounded up, as kernels are slow on odd widths.

        50,257 becomes 50,304. No token has a row beyond the vocabulary, and none is predicted.
        """
        return -(-self.vocab_size // _VOCAB_MULTIPLE) * _VOCAB_MULTIPLE

    @property
    def num_parameters(self) -> int:
        """Trainable numbers, positions included; the tied embedding once, without its padding."""
        width = self.n_embd
        embeddings = (self.vocab_size + self.block_size) * width
        # Matrices of 3 + 1 + 4 + 4 squares of the width, 9 widths of biases and 4 of norms.
        blocks = self.n_layer * (12 * width**2 + 13 * width)
        return embeddings + blocks + 2 * width


class TrainConfig(Section):
    """How a model is trained. The paper names the batch only; the rest follows GPT-3's table 2.1.

    Device, processes and micro-batches change the order of floating-point sums and with it the last
    bits of the weights (with dropout, also which units are left out), not which batches are seen.
    """

    OPERATIONAL: ClassVar[frozenset[str]] = frozenset(
        {
            "checkpoint_every",
            "compile",
            "device",
            "init_from",
            "keep_checkpoints",
            "micro_batch_size",
            "milestone_every",
            "processes",
            "runner",
            "shard_optimizer",
        }
    )

    steps: int = Field(default=20_000, ge=1)
    """Optimizer steps. 20,000 of 512 windows of 1,024 tokens are 10.5 billion tokens."""

    batch_size: int = Field(default=512, ge=1)
    """Windows per optimizer step, over all processes (512: paper section 2.3)."""

    micro_batch_size: int = Field(default=8, ge=1)
    """Windows that one process computes at once; gradients accumulate up to `batch_size`."""

    lr: float = Field(default=6e-4, gt=0)
    """Highest learning rate, reached after `warmup_steps`."""

    min_lr: float = Field(default=6e-5, ge=0)
    """Learning rate at the end of the cosine."""

    warmup_steps: int = Field(default=700, ge=0)
    """Steps of linear warm-up (375 million tokens in GPT-3)."""

    weight_decay: float = Field(default=0.1, ge=0)
    """AdamW's decay of the matrices; biases and layer norms have none."""

    beta1: float = Field(default=0.9, ge=0, lt=1)
    """AdamW's decay of the mean of gradients."""

    beta2: float = Field(default=0.95, ge=0, lt=1)
    """AdamW's decay of the mean of squared gradients."""

    grad_clip: float = Field(default=1.0, gt=0)
    """Highest norm of the gradient over all parameters."""

    eval_every: int = Field(default=250, ge=1)
    """Steps between measurements of the held-out loss; the last step always has one."""

    eval_windows: PositiveInt | Literal["all"] = 512
    """At most so many windows, spread evenly over the val split, make the held-out loss."""

    checkpoint_every: int = Field(default=250, ge=1)
    """Steps between checkpoints: what a kill can cost."""

    keep_checkpoints: int = Field(default=2, ge=1)
    """Newest checkpoints that stay; older ones go, but for milestones."""

    milestone_every: PositiveInt | None = None
    """Steps between checkpoints that stay for good; a multiple of `checkpoint_every`."""

    spike_zscore: float = Field(default=6.0, ge=0)
    """An update is skipped where loss or gradient norm lie so many standard deviations above their
    last 128 values, and recorded; 0 skips none. (llm.c guards its runs like this.)"""

    max_spikes: int = Field(default=10, ge=1)
    """More skipped updates than this within 128 steps stop the run."""

    init_from: str | None = None
    """Weights to start from instead of random ones: a run, a checkpoint or Hugging Face folder, or
    a model's name on the Hugging Face hub."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of matrix products; weights and sums are fp32. "auto" is bf16 on GPUs that have it,
    and fp32 elsewhere: most CPUs emulate bf16 and take longer. fp32 is TF32 on GPUs that have that.
    A training that goes on elsewhere may change its precision."""

    compile: bool = False
    """Let torch.compile fuse the model: a minute at the start, then faster steps."""

    shard_optimizer: bool = False
    """Each process holds its share of the optimizer's state (ZeRO stage 1) instead of all of it."""

    seed: int = 0
    """Decides the initial weights, the order of the windows, and the dropout."""

    skipped_steps: SkippedSteps = ()
    """Ranges [first, last) of steps whose batches are left out, as after a loss spike: the steps
    after them move up. Numbered from 1, as in metrics.jsonl, in a run that skips none."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; "auto" is CUDA if there is any."""

    processes: int = Field(default=1, ge=1)
    """Data-parallel processes: one per GPU."""

    runner: Literal["process", "ray"] = "process"
    """Who starts the processes: this machine (torchrun, if there are several) or a Ray cluster."""

    @field_validator("skipped_steps")
    @classmethod
    def _ranges_follow_one_another(cls, ranges: SkippedSteps) -> SkippedSteps:
        SampleOrder(seed=0, num_windows=1, skipped=ranges)  # says which one does not
        return ranges

    @model_validator(mode="after")
    def _milestones_are_checkpoints(self) -> Self:
        if self.milestone_every and self.milestone_every % self.checkpoint_every:
            raise ValueError(
                f"milestone_every ({self.milestone_every}) is not a multiple of checkpoint_every "
                f"({self.checkpoint_every})"
            )
        return self

    @model_validator(mode="after")
    def _rate_falls(self) -> Self:
        if self.min_lr > self.lr:
            raise ValueError(f"min_lr ({self.min_lr}) is above lr ({self.lr})")
        return self

    @model_validator(mode="after")
    def _batch_divides(self) -> Self:
        try:
            self.micro_batches(self.processes)
        except UsageError as exc:
            raise ValueError(f"{exc.message}. {exc.hint}") from exc
        return self

    def micro_batches(self, world_size: int) -> int:
        """Micro-batches that each of `world_size` processes computes per step.

        Raises:
            UsageError: the batch cannot be shared evenly.
        """
        num_micro, rest = divmod(self.batch_size, self.micro_batch_size * world_size)
        if rest:
            raise UsageError(
                f"train.batch_size ({self.batch_size}) is not a multiple of micro_batch_size x "
                f"processes ({self.micro_batch_size} x {world_size})",
                hint="Lower train.micro_batch_size, or train with another number of processes.",
            )
        return num_micro

    def order(self, num_windows: int) -> SampleOrder:
        """Which windows a run takes at which step; the order counts its steps from 0."""
        skipped = tuple((first - 1, last - 1) for first, last in self.skipped_steps)
        return SampleOrder(self.seed, num_windows, skipped)


class RunConfig(Section):
    """What decides a training run: the recipe's `[model]` and `[train]`."""

    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()

    def identity(self) -> dict[str, object]:
        """The fields of both sections that decide the weights."""
        return {"model": self.model.identity(), "train": self.train.identity()}


def read_run_config(path: Path) -> RunConfig:
    """The `[model]` and `[train]` of a recipe (TOML), or a run's config (JSON).

    Raises:
        UsageError: no such file, not TOML or JSON, an unknown key or a value out of range.
    """
    try:
        if path.suffix != ".toml":
            return RunConfig.model_validate_json(path.read_bytes())
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
        sections = {name: tree[name] for name in RunConfig.model_fields if name in tree}
        return RunConfig.model_validate(sections)
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as exc:
        raise UsageError(f"{path}: {exc}", hint="Give a recipe with [model] and [train].") from exc
