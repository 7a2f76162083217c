"""Stage "ngrams": the training split's n-grams in a Bloom filter, kept with the corpus.

With it the overlap of any text with the training split is known in seconds, without reading the
training documents again (paper section 4). What needs them - which document, how many documents -
is left to the exact direction: a filter of n-grams seen more than k times would hold other bits
for another order of documents, and counters of all n-grams cost memory and time in every build.

Three passes over the documents: count the n-grams, which is the filter's capacity; put them in;
ask it about the held-out split. Together they do some three million n-grams a second and core, so a
killed run begins anew: nothing of a filter that is half full is worth a file of its size.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from pydantic import Field

from corpus.errors import WebtextError
from corpus.manifest import Manifest
from corpus.runtime import Runtime
from corpus.settings import Section
from corpus.shards import num_rows, shard_name
from corpus.stage import Inputs, StageWriter, data_shards
from dedup.ngram_filter import NgramFilter
from dedup.overlap.measure import count_ngrams, measure
from dedup.overlap.summary import OVERLAP
from dedup.overlap.text_sets import HELD_OUT, WHOLE, Item
from dedup.splits import SplitIds, check_complete, split_ids, split_texts

STAGE: Final = "ngrams"
LIBRARIES: Final = ("webtext", "numba", "pybloom-live", "xxhash")
FILTER: Final = "ngrams.bloom"
"""The filter's file in the stage's folder, beside `heldout-00000.arrow` (schema `OVERLAP`)."""


class NgramsConfig(Section):
    """What the index of the training split holds."""

    n: int = Field(default=8, ge=1)
    """Words per n-gram (paper section 4)."""

    error_rate: float = Field(default=1e-8, ge=1e-12, le=0.01)
    """Share of n-grams that are not in the training split and yet found (paper section 4)."""


class _Counts(NamedTuple):
    num_documents: int
    num_train: int
    num_val: int
    num_ngrams: int  # of the train documents, repeats included


def run(config: NgramsConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Fill a filter with the train split's n-grams, and measure the held-out split against it.

    The same bytes for any number of workers and any order of documents, except for the order of
    the held-out split's rows.

    Args:
        config: The recipe's `[ngrams]`.
        inputs: `documents`, the unique documents; `tokens`, made of them, whose shards say which
            split a document belongs to.
        output: Receives the filter, and a row per held-out document.
        runtime: Worker threads and progress.

    Raises:
        WebtextError: documents and tokens do not belong together, the filter does not fit into
            this machine's memory, or a file is damaged.
    """
    writer = StageWriter(STAGE, config, inputs, output)
    shards = data_shards(inputs["documents"])
    ids = split_ids(inputs["tokens"])
    runtime.progress.start(3 * sum(map(num_rows, shards)), "document passes")

    counts = _count(shards, ids, config.n, runtime)
    check_complete({"train": counts.num_train, "val": counts.num_val}, ids)
    index = _new_filter(config, counts.num_ngrams)
    runtime.progress.report({"filter_bytes": index.num_bytes})
    _fill(index, shards, ids["train"], runtime)
    index.save(output / FILTER)

    items = _held_out_items(shards, ids["val"], runtime)
    rows = measure(HELD_OUT.slug, items, config.n, index.contains)
    writer.write(shard_name(HELD_OUT.slug, 0), rows, OVERLAP)
    return writer.finish(
        counts.num_documents,
        num_out=counts.num_train + counts.num_val,
        libraries=LIBRARIES,
        figures=_figures(index, counts),
    )


def load_index(folder: Path) -> NgramFilter:
    """The filter of a finished "ngrams" folder, memory-mapped.

    Raises:
        WebtextError: the file is damaged, or its hashes are of another scheme.
    """
    return NgramFilter.load(folder / FILTER)


def _count(shards: list[Path], ids: SplitIds, n: int, runtime: Runtime) -> _Counts:
    totals = np.zeros(len(_Counts._fields), np.int64)
    pool = ThreadPoolExecutor(runtime.workers)  # the scan and Arrow let go of the interpreter
    try:
        for counts in pool.map(partial(_count_shard, ids=ids, n=n), shards):
            totals += counts
            runtime.progress.advance(counts.num_documents, "counted")
    finally:
        pool.shutdown(cancel_futures=True)
    return _Counts(*totals.tolist())


def _count_shard(shard: Path, ids: SplitIds, n: int) -> _Counts:
    totals = np.zeros(len(_Counts._fields), np.int64)
    for num_documents, texts in split_texts(shard, ids):
        train, val = texts["train"], texts["val"]
        totals += (num_documents, len(train), len(val), count_ngrams(train, n))
    return _Counts(*totals.tolist())


def _new_filter(config: NgramsConfig, num_ngrams: int) -> NgramFilter:
    """An empty filter with room for every n-gram, were all distinct: it is never overfull."""
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        # A page takes memory once it is written to: to ask for too much costs nothing.
        index = NgramFilter(max(1, num_ngrams), config.error_rate, n=config.n)
    except MemoryError:
        index = None
    if index is None or index.num_bytes > memory_bytes:
        size = f"{index.num_bytes / 1e9:.1f} GB" if index else "more memory than there is"
        raise WebtextError(
            f"an index of {num_ngrams:,} n-grams at error rate {config.error_rate} takes {size}, "
            f"this machine has {memory_bytes / 1e9:.1f} GB",
            hint="Use a machine with more memory, or raise ngrams.error_rate: each factor of ten "
            "saves an eighth.",
        )
    return index


def _fill(index: NgramFilter, shards: list[Path], train: np.ndarray, runtime: Runtime) -> None:
    for shard in shards:
        for num_documents, texts in split_texts(shard, {"train": train}):
            index.add_texts(texts["train"], threads=runtime.workers)
            runtime.progress.advance(num_documents, "indexed")


def _held_out_items(shards: list[Path], val: np.ndarray, runtime: Runtime) -> Iterator[Item]:
    for shard in shards:
        for num_documents, texts in split_texts(shard, {"val": val}):
            yield from ({WHOLE: text} for text in texts["val"].to_pylist())
            runtime.progress.advance(num_documents, "held-out split")


def _figures(index: NgramFilter, counts: _Counts) -> dict[str, int | float | str]:
    return {
        "n": index.n,
        "num_train_documents": counts.num_train,
        "num_val_documents": counts.num_val,
        "num_ngrams": counts.num_ngrams,
        "num_distinct_ngrams": index.num_added,
        "filter_bytes": index.num_bytes,
        "expected_error_rate": index.expected_error_rate,
    }
