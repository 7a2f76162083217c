"""`python -m dedup.overlap FOLDER`: the benchmarks of a folder against each other, exactly.

Prints the table of docs/overlap.md: a row per test set, a column per set it is looked up in. No
corpus takes part: this is what to know of the benchmarks before a corpus is blamed.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from corpus.benchmarks.files import NotAvailableError
from dedup.overlap.index import NgramsConfig
from dedup.overlap.measure import measure
from dedup.overlap.own_splits import held_by, own_split
from dedup.overlap.text_sets import TEXT_SETS, Item

Items = Callable[[], Iterator[Item]]
Texts = Callable[[], Iterator[str]]


def table_lines(folder: Path) -> Iterator[str]:
    """The table in Markdown: percentages of the n-grams of the row's set.

    Args:
        folder: Benchmark files; a set that is not there has no row.
    """
    tests: dict[str, Items] = {}
    sources: dict[str, Texts] = {}
    for text_set in TEXT_SETS:
        if text_set.items is None or not _is_there(items := partial(text_set.items, folder)):
            continue
        tests[text_set.name] = items
        sources[text_set.name] = partial(_texts, items)
        if own := own_split(text_set.slug, folder):
            sources[f"{text_set.name} {own[0]}"] = partial(_own_texts, text_set.slug, folder)
    yield f"| test set | n-grams | {' | '.join(sources)} |"
    yield "|---" * (len(sources) + 2) + "|"
    for name, items in tests.items():
        counts = [_count(items, texts) for texts in sources.values()]
        shares = " | ".join(f"{100 * found / total:.3f}" for total, found in counts)
        yield f"| {name} | {counts[0][0]:,} | {shares} |"


def _is_there(items: Items) -> bool:
    try:
        return any(True for _ in items())
    except NotAvailableError:
        return False


def _texts(items: Items) -> Iterator[str]:
    return chain.from_iterable(item.values() for item in items())


def _own_texts(slug: str, folder: Path) -> Iterator[str]:
    own = own_split(slug, folder)
    return own[1] if own else iter(())


def _count(items: Items, texts: Texts) -> tuple[int, int]:
    """(n-grams of a set, those of them in `texts`)."""
    n = NgramsConfig().n
    rows = list(measure("", items(), n, held_by(texts(), items(), n)))
    return sum(row["num_ngrams"] for row in rows), sum(row["num_found"] for row in rows)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: python -m dedup.overlap FOLDER  (a folder of benchmark files)")
    for line in table_lines(Path(sys.argv[1])):
        sys.stdout.write(f"{line}\n")
