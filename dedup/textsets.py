"""The texts that a training split must not contain: the held-out split and the benchmarks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from corpus.benchmarks import (
    lambada_passages,
    ptb_sentences,
    wikitext_articles,
)


@dataclass(frozen=True)
class TextSet:
    """One set of example texts, and how the report and the figures call it."""

    name: str
    slug: str
    """Prefix of its figures in the manifest."""
    paper_percent: float | None
    """Percentage of its 8-grams that WebText's training split holds, in the paper."""
    texts: Callable[[Path], Iterator[str]] | None
    """Its examples, from a benchmarks folder; None where they come from the corpus itself."""


# Paper figure 5 gives the held-out split's median only: 2.6 %.
HELD_OUT: Final = TextSet("held-out split", "held_out", None, None)

TEXT_SETS: Final = (
    HELD_OUT,
    TextSet("LAMBADA", "lambada", 1.2, lambada_passages),  # section 4.1: an average
    # Table 6. WikiText's examples are articles. PTB's are sentences, because Mikolov's file has
    # lost its documents' borders: an n-gram across two lines need not have been in one text.
    TextSet("PTB", "ptb", 0.88, ptb_sentences),
    TextSet("WikiText-2", "wikitext2", 1.63, partial(wikitext_articles, name="wikitext2")),
    TextSet("WikiText-103", "wikitext103", 2.42, partial(wikitext_articles, name="wikitext103")),
)
