"""The recipe sections of flows that are no single stage: sizes, memorisation, schedule."""

from typing import Self

from pydantic import Field, model_validator

from corpus.settings import Section
from model.settings import ModelConfig, TrainConfig


class ModelSize(Section):
    """One member of the family: its shape, and the learning rate that suits it."""

    n_layer: int = Field(ge=1)
    """Transformer blocks."""

    n_head: int = Field(ge=1)
    """Attention heads per block."""

    n_embd: int = Field(ge=1)
    """Width of the residual stream; a multiple of `n_head`."""

    lr: float = Field(gt=0)
    """Highest learning rate. The paper tuned it by hand for each size (section 3)."""

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd ({self.n_embd}) is not a multiple of n_head ({self.n_head})")
        return self

    def model(self, base: ModelConfig) -> ModelConfig:
        """The recipe's `[model]` in this size."""
        return base.model_copy(update=self.model_dump(exclude={"lr"}))

    def train(self, base: TrainConfig) -> TrainConfig:
        """The recipe's `[train]` at this size's rate; the cosine ends at the same share of it."""
        return base.model_copy(
            update={"lr": self.lr, "min_lr": self.lr * base.min_lr / base.lr},
        )


class ScalingConfig(Section):
    """A family of sizes trained alike on one corpus: the paper's figure 4."""

    sizes: tuple[ModelSize, ...] = ()
    """The family, smallest first; all else is the recipe's `[model]` and `[train]`, the same for
    all. None: there is nothing to compare."""

    eval_windows: int = Field(default=512, ge=1)
    """Windows of each split that perplexity is measured on, the same for every size: of the
    training split some that the runs were trained on, of the held-out split evenly spread ones."""

    @model_validator(mode="after")
    def _sizes_differ(self) -> Self:
        shapes = [(size.n_layer, size.n_embd) for size in self.sizes]
        if len(set(shapes)) < len(shapes):
            raise ValueError("two sizes have the same n_layer and n_embd: they are no two points")
        return self


class MemorisationConfig(Section):
    """How many texts a model writes for the check of what it repeats; `[sample]` says how."""

    num_samples: int = Field(default=200, ge=1)
    """Texts, each begun from nothing."""

    max_new_tokens: int = Field(default=512, ge=1)
    """Longest text; end-of-text ends it sooner. One 8-gram of a hundred is 1 %: shorter texts
    repeat nothing or more than that."""


class ScheduleConfig(Section):
    """When `webtext serve` and `webtext deploy` rebuild a corpus, and how long its flows may take.

    Training, evaluation and overlap have no hour of their own: they follow what is new.
    """

    rebuild: str = "0 3 * * 1"
    """When to rebuild, as cron says it: minute, hour, day of the month, month, day of the week."""

    look: str = "17 * * * *"
    """When to look for what nobody announced: a new folder of benchmark files, or what a killed
    process made and could not announce any more."""

    timezone: str = "UTC"
    """The time zone of both, by its IANA name: "Europe/Berlin"."""

    rebuild_limit_h: float | None = Field(default=None, gt=0)
    """Hours that a rebuild may take; then it ends as TimedOut, and the next one goes on. None: as
    long as it takes."""

    overlap_limit_h: float | None = Field(default=None, gt=0)
    """The same for an overlap report."""

    train_limit_h: float | None = Field(default=None, gt=0)
    """The same for a training."""

    evaluate_limit_h: float | None = Field(default=None, gt=0)
    """The same for an evaluation."""
