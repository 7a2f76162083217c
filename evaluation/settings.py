"""The recipe section of the evaluation; imports no torch, so that a flow may read it."""

from typing import ClassVar, Literal, get_args

from pydantic import Field, PositiveInt

from corpus.settings import Section

TaskName = Literal[
    "heldout",
    "lambada",
    "cbt_cn",
    "cbt_ne",
    "wikitext2",
    "ptb",
    "enwik8",
    "text8",
    "wikitext103",
    "lm1b",
    "wsc273",
    "coqa",
    "nq_open",
    "cnndm",
    "wmt14_en_fr",
    "wmt14_fr_en",
]


class EvaluateConfig(Section):
    """Which tasks score a checkpoint, by which protocols."""

    OPERATIONAL: ClassVar[frozenset[str]] = frozenset({"batch_tokens", "processes"})

    tasks: tuple[TaskName, ...] = get_args(TaskName)
    """Tasks in the order of the table, by default the paper's; each is one shard of examples."""

    grid: bool = False
    """Score every documented variant of a task, not only the one that is nearest to the paper."""

    strides: tuple[PositiveInt, ...] = Field(default=(1024,), min_length=1)
    """Tokens that each window of a long text scores; the rest of the window is context only. More
    than the model's block is the block: fastest, and for the released 117M model the nearest to
    the paper's WikiText-2 (29.9 against 29.41). 32 gives every token nearly a whole block. With
    several, long texts are scored once for each."""

    max_examples: int | None = Field(default=None, ge=1)
    """Documents, passages or articles per task, from the first; None is all of them."""

    precision: Literal["fp32", "bf16"] = "fp32"
    """What the model computes in: bf16 is twice as fast on GPUs, and off by some 0.5 %."""

    processes: PositiveInt | None = None
    """Processes that answer side by side; by default one per GPU, or one."""

    batch_tokens: PositiveInt | None = None
    """Tokens that are read at once, padding included; by default what suits the device."""
