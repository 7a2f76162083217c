"""The model card: README.md of a checkpoint folder, for people and for Hugging Face's hub."""

from dataclasses import dataclass
from pathlib import Path

import jinja2

from corpus.atomic import write_bytes
from model.settings import GPT2Config

MODEL_CARD = "README.md"


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What is known of a training beside its model; what is not is left out of the card."""

    tokens_seen: int | None = None
    """Tokens that were trained on, repeats included."""
    val_loss: float | None = None
    """Held-out loss in nats per token."""
    corpus: str | None = None
    """The hash of the corpus."""
    recipe: str | None = None
    """The recipe's name."""


NO_FACTS = CardFacts()


def write_card(folder: Path, config: GPT2Config, step: int, facts: CardFacts) -> None:
    """Write README.md; equal arguments are equal bytes."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("model.hugging_face", "."),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, of numbers and names of ours
    )
    values = {"config": config, "step": step, "facts": facts}
    card = environment.get_template("model_card.md.j2").render(values)
    write_bytes(folder / MODEL_CARD, card.encode())
