"""How text is drawn from a model; imports no torch, so that a flow may read it."""

from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from corpus.settings import Section


class GenerationConfig(Section):
    """How a model goes on from a prompt."""

    max_new_tokens: int = Field(default=120, ge=1)
    """Longest continuation; end-of-text ends it sooner."""

    temperature: float = Field(default=1.0, ge=0)
    """Below 1 the likelier tokens gain, above 1 they lose (1: the model as it is); at 0 the
    likeliest token is taken, and nothing is drawn."""

    top_k: PositiveInt | Literal["all"] = 40
    """Only the k likeliest tokens are drawn from (40: paper, appendix 8.2)."""

    top_p: float = Field(default=1.0, gt=0, le=1)
    """Of those, only the likeliest that together have this probability (Holtzman et al. 2020)."""

    seed: int = 0
    """Same seed, same text."""


class SampleConfig(GenerationConfig):
    """What to write, and how boldly."""

    OPERATIONAL: ClassVar[frozenset[str]] = frozenset({"batch_size"})

    prompts: tuple[str, ...] = ()
    """Texts to go on from; without any, `num_samples` texts begin at end-of-text."""

    num_samples: int = Field(default=3, ge=1)
    """Texts to write where there are no prompts."""

    batch_size: int = Field(default=8, ge=1)
    """Texts that are written at once: 8 take little more than twice as long as one."""
