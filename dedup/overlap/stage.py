"""Stage "overlap": how much of each text set is in the training split, asked of its n-gram index.

Nothing of the corpus is read but the index, so the answer takes seconds whatever the corpus's
size. The index is a Bloom filter: it never misses an n-gram, and finds one in 1 / error rate that
is not there.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np

from corpus.benchmarks.files import NotAvailableError
from corpus.errors import UsageError
from corpus.manifest import Manifest, read_manifest
from corpus.runtime import Runtime
from corpus.settings import Section
from corpus.shards import num_rows as shard_rows, read_rows, shard_name
from corpus.stage import Inputs, StageWriter, data_shards, describe_input, reject
from dedup.ngram_filter import NgramFilter
from dedup.overlap.index import load_index
from dedup.overlap.measure import measure
from dedup.overlap.own_splits import held_by, own_split
from dedup.overlap.summary import OVERLAP, own_shard, row_key, summarise
from dedup.overlap.text_sets import HELD_OUT, TEXT_SETS, TextSet, text_sets

STAGE: Final = "overlap"
LIBRARIES: Final = ("webtext", "numba", "pybloom-live")

# GPT-3 appendix C: n of a benchmark is the 5th percentile of its examples' lengths in words.
_PERCENTILE: Final = 5
_SHORTEST, _LONGEST = 8, 13


class OverlapConfig(Section):
    """Nothing to choose: the index says how long an n-gram is."""


def ngram_length(lengths: Iterable[int]) -> int:
    """How many words an n-gram should have for examples of these lengths (GPT-3, appendix C).

    So short that at most one example in twenty has no n-gram; never below 8, which would find
    turns of phrase, nor above 13.

    Args:
        lengths: Words of each example; without any, 13.
    """
    lengths = list(lengths)
    if not lengths:
        return _LONGEST
    return int(np.clip(np.percentile(lengths, _PERCENTILE, method="lower"), _SHORTEST, _LONGEST))


def run(config: OverlapConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Count, for each text of the held-out split and the text sets, its n-grams found in train.

    Args:
        config: Nothing so far.
        inputs: `ngrams`, the index. Optional: `tokens`, to be checked and recorded;
            `benchmarks`, a folder of published files, of which a missing set is named in the
            figure `not_available`; `texts-0`, `texts-1`, ...: files of a user's own.
        output: Receives `overlap-00000.arrow`, a row per example and part; those shorter than an
            n-gram are rejected as `too_short`. `own-train-00000.arrow` and `own-valid-00000.arrow`
            hold the same of test splits against their own set's train split, or else valid split.
        runtime: Progress.

    Raises:
        UsageError: a file of the user's is of another kind, or the index is not of these tokens.
        WebtextError: a file is damaged.
    """
    writer = StageWriter(STAGE, config, inputs, output)
    _check_tokens(inputs)
    index = load_index(inputs["ngrams"])
    sets = text_sets(inputs)
    runtime.progress.start(len(sets), "text sets")

    missing: list[str] = []
    too_short: list[str] = []
    rows = _measured(sets, inputs, index, missing, runtime)
    writer.write(shard_name("overlap", 0), _without_short(rows, too_short), OVERLAP)
    writer.write_rejects(0, (reject(key, "too_short") for key in too_short))
    num_out = shard_rows(output / shard_name("overlap", 0))
    if "benchmarks" in inputs:
        _write_own(writer, inputs["benchmarks"], missing, index.n)
    return writer.finish(
        num_out + len(too_short),
        num_out=num_out,
        libraries=LIBRARIES,
        figures={
            "n": index.n,
            "expected_error_rate": index.expected_error_rate,
            "not_available": ", ".join(missing),
            **_figures(output),
        },
    )


def _check_tokens(inputs: Inputs) -> None:
    if "tokens" not in inputs:
        return
    indexed = read_manifest(inputs["ngrams"]).inputs["tokens"].hash
    if describe_input(inputs["tokens"]).hash != indexed:
        raise UsageError(
            f"the index {inputs['ngrams']} was not made of the tokens {inputs['tokens']}",
            hint="Give the index of this corpus.",
        )


def _measured(
    sets: Iterable[TextSet],
    inputs: Inputs,
    index: NgramFilter,
    missing: list[str],
    runtime: Runtime,
) -> Iterator[dict]:
    """The rows of all text sets; the names of those that are not there go into `missing`."""
    folder = inputs.get("benchmarks")
    for text_set in sets:
        if text_set.items is None:
            yield from chain.from_iterable(map(read_rows, _held_out_shards(inputs["ngrams"])))
        elif folder is None and text_set in TEXT_SETS:
            missing.append(text_set.name)
        else:
            items = text_set.items(folder or Path())
            try:
                yield from measure(text_set.slug, items, index.n, index.contains)
            except NotAvailableError:
                missing.append(text_set.name)
        runtime.progress.advance(1, text_set.name)


def _held_out_shards(ngrams: Path) -> list[Path]:
    return data_shards(ngrams, f"{HELD_OUT.slug}-")


def _without_short(rows: Iterable[dict], too_short: list[str]) -> Iterator[dict]:
    for row in rows:
        if row["num_ngrams"]:
            yield row
        else:
            too_short.append(row_key(row))


def _write_own(writer: StageWriter, folder: Path, missing: list[str], n: int) -> None:
    by_split: dict[str, list[Iterator[dict]]] = {}
    for text_set in TEXT_SETS:
        own = own_split(text_set.slug, folder)
        if own and text_set.items and text_set.name not in missing:
            split, texts = own
            contains = held_by(texts, text_set.items(folder), n)
            rows = measure(text_set.slug, text_set.items(folder), n, contains)
            by_split.setdefault(split, []).append(rows)
    for split, parts in by_split.items():
        writer.write(own_shard(split), _without_short(chain(*parts), []), OVERLAP)


def _figures(output: Path) -> dict[str, int | float | str]:
    figures: dict[str, int | float | str] = {}
    for row in summarise(output):
        name = f"{row.slug}_{row.part}" if row.part else row.slug
        figures[f"{name}_num_examples"] = row.num_examples
        figures[f"{name}_num_too_short"] = row.num_too_short
        figures[f"{name}_percent_found"] = round(row.percent_found, 4)
        figures[f"{name}_mean_percent"] = round(row.mean, 4)
        figures[f"{name}_median_percent"] = round(row.median, 4)
        figures[f"{name}_percent_examples_any"] = round(row.percent_examples_any, 4)
        figures[f"{name}_percent_examples_over_15"] = round(row.percent_examples_over_15, 4)
        if row.own_percent is not None:
            figures[f"{name}_own_{row.own_split}_percent_found"] = round(row.own_percent, 4)
    return figures
