"""How much of a benchmark's test split is in its own train split: the yardstick of Table 6."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from corpus.benchmarks.files import NotAvailableError
from corpus.benchmarks.language_modeling import Split, ptb_sentences, wikitext_articles
from dedup.ngrams import scan_ngrams
from dedup.overlap.measure import Contains
from dedup.overlap.text_sets import Item
from dedup.splits import find

_BATCH_TEXTS: Final = 1024

_TEXTS: Final[dict[str, Callable[..., Iterator[str]]]] = {
    "ptb": ptb_sentences,
    "wikitext2": partial(wikitext_articles, name="wikitext2"),
    "wikitext103": partial(wikitext_articles, name="wikitext103"),
}


def own_split(slug: str, folder: Path) -> tuple[Split, Iterator[str]] | None:
    """The texts of a set's own train split, or else of its valid split; None: neither is there."""
    splits: tuple[Split, ...] = ("train", "valid") if slug in _TEXTS else ()
    for split in splits:
        texts = _TEXTS[slug](folder, split=split)
        try:
            first = list(islice(texts, 1))
        except NotAvailableError:
            continue
        return split, (text for part in (first, texts) for text in part)
    return None


def held_by(texts: Iterable[str], items: Iterable[Item], n: int) -> Contains:
    """Answers, exactly, which n-grams of `items` occur in `texts`.

    The items' n-grams are indexed and the texts stream past, so memory depends on the items only:
    17 bytes per n-gram.
    """
    item_texts = (text for item in items for text in item.values())
    hashes = [np.empty(0, np.uint64), *_hashes(item_texts, n)]
    index = np.unique(np.concatenate(hashes))
    is_held = np.zeros(len(index), dtype=bool)
    for ngrams in _hashes(texts, n):
        positions = find(index, ngrams)
        is_held[positions[positions >= 0]] = True

    def contains(hashes: np.ndarray) -> np.ndarray:
        positions = find(index, hashes)
        return (positions >= 0) & is_held[positions] if len(index) else positions >= 0

    return contains


def _hashes(texts: Iterable[str], n: int) -> Iterator[np.ndarray]:
    remaining = iter(texts)
    while batch := list(islice(remaining, _BATCH_TEXTS)):
        yield scan_ngrams(pa.array(batch, pa.large_string()), n).hashes
