"""The recipe section of the evaluation; imports no torch, so that a flow may read it."""

from typing import Literal, get_args

from pydantic import Field

from corpus.settings import Section

TaskName = Literal[
    "heldout", "lambada", "wikitext2", "ptb", "enwik8", "text8", "wikitext103", "lm1b", "wsc273"
]


class EvaluateConfig(Section):
    """Which tasks score a checkpoint, and how long texts are cut into windows."""

    tasks: tuple[TaskName, ...] = get_args(TaskName)
    """Tasks in the order of the table, by default the paper's; each is one shard of examples."""

    stride: int | None = Field(default=None, ge=1)
    """Tokens that each window of a long text scores; the rest of the window is context only.
    None is the model's whole block: fastest, and the nearest to the paper's WikiText-2 for the
    released 117M model (29.9 against 29.41). 32 gives every token nearly a whole block."""

    max_examples: int | None = Field(default=None, ge=1)
    """Documents, passages or articles per task, from the first; None is all of them."""
