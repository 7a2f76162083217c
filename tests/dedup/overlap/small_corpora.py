"""What Python sets say of texts' n-grams, and what the stages wrote of them."""

from collections.abc import Iterable
from pathlib import Path

from corpus.shards import read_rows
from tests.dedup.reference import ngrams


def measured(shard: Path, text_set: str, part: str = "text") -> dict[int, tuple[int, int]]:
    """(n-grams, found ones) of each example in a shard of the schema `OVERLAP`."""
    return {
        row["example"]: (row["num_ngrams"], row["num_found"])
        for row in read_rows(shard)
        if (row["text_set"], row["part"]) == (text_set, part)
    }


def brute_force(texts: Iterable[str], train: set, n: int = 8) -> dict[int, tuple[int, int]]:
    """The same by Python sets, of the texts that have an n-gram."""
    lists = enumerate(ngrams(text, n) for text in texts)
    return {i: (len(found), sum(g in train for g in found)) for i, found in lists if found}


def ngram_set(texts: Iterable[str], n: int = 8) -> set:
    return {ngram for text in texts for ngram in ngrams(text, n)}
