"""What a corpus says of itself: sizes, presets, languages, licences, and its held-out split."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from corpus.manifest import is_finished, read_manifest, read_record
from corpus.shards import open_shard
from corpus.stage import data_shards
from dedup.overlap.summary import OverlapRow, summarise
from dedup.splits import batches
from flows.corpora.catalog import results_of
from flows.corpora.summary import documents_of, lineage

NONE_STATED = "none stated"

# The settings that tell what is in a corpus, by stage and key, in words.
_PRESETS = {
    ("links", "preset"): "links",
    ("links", "min_score"): "lowest score",
    ("links", "karma"): "score per",
    ("links", "created_after"): "submitted from",
    ("links", "created_before"): "submitted before",
    ("documents", "quality"): "quality rules",
    ("unique", "near_threshold"): "similarity of near-duplicates",
    ("trimmed", "max_documents"): "documents that may share a paragraph",
    ("decontaminated", "mode"): "decontamination",
    ("tokens", "vocab_size"): "vocabulary",
}


@dataclass(frozen=True)
class Contents:
    """What the documents themselves state, most frequent first."""

    languages: dict[str, int]
    """Documents by ISO 639-1 code; `und`: not told."""
    licences: dict[str, int] | None
    """Documents by the licence that their page states, and `NONE_STATED`; None: an older version
    did not look for one."""


@dataclass(frozen=True)
class HeldOut:
    """The validation split."""

    num_documents: int
    num_tokens: int
    percent_documents: float
    percent_tokens: float
    n: int
    """Words per n-gram."""
    percent_found: float | None
    """Of its n-grams, those that are in the training split too; None: not measured."""


def stage_sizes(tokens: Path) -> dict[str, int]:
    """Bytes on disk by stage: all of its shards, archives and rejects included."""
    folders = lineage(tokens)
    return {
        stage: sum(shard.bytes for shard in read_record(folder).shards)
        for stage, folder in folders.items()
    }


def corpus_bytes(tokens: Path) -> int:
    """Bytes on disk of a corpus's documents and tokens."""
    records = (read_record(tokens), read_record(documents_of(tokens)))
    return sum(shard.bytes for record in records for shard in record.shards)


def presets(folder: Path) -> dict[str, str]:
    """The settings that decide what is in a corpus, as they were when it was made."""
    records = {stage: read_record(path) for stage, path in lineage(folder).items()}
    values = {
        label: records[stage].config.get(key)
        for (stage, key), label in _PRESETS.items()
        if stage in records
    }
    return {label: str(value) for label, value in values.items() if value is not None}


def versions(folder: Path) -> dict[str, str]:
    """The libraries that shaped a corpus."""
    records = map(read_record, lineage(folder).values())
    return dict(sorted(pair for record in records for pair in record.versions.items()))


def contact(folder: Path) -> str:
    """The address that the crawl named for complaints; empty: none."""
    pages = lineage(folder).get("pages")
    return str(read_record(pages).config.get("contact") or "") if pages else ""


def contents(documents: Path) -> Contents:
    """Count languages and licences: a pass over two columns of the documents.

    Raises:
        WebtextError: a shard is missing or damaged.
    """
    counts: dict[str, Counter[str]] = {"language": Counter(), "license": Counter()}
    has_licences = True
    for shard in data_shards(documents, "documents-"):
        columns = [name for name in counts if name in open_shard(shard).schema.names]
        has_licences = has_licences and "license" in columns
        for batch in batches(shard, columns):
            for name in columns:
                count_values(counts[name], batch.column(name))
    licences = _ranked(counts["license"], NONE_STATED) if has_licences else None
    return Contents(_ranked(counts["language"], "und"), licences)


def held_out(tokens: Path) -> HeldOut:
    """The size of the validation split, and what it shares with the training split."""
    figures = read_record(tokens).figures
    num = {name: int(figures.get(f"num_{name}", 0)) for name in _SIZES}
    documents, num_tokens = num["val_documents"], num["val_tokens"]
    indexes = results_of(tokens, "ngrams", "tokens") if is_finished(tokens) else []
    return HeldOut(
        documents,
        num_tokens,
        percent_documents=_percent(documents, documents + num["train_documents"]),
        percent_tokens=_percent(num_tokens, num_tokens + num["train_tokens"]),
        n=_ngram(indexes),
        percent_found=_percent_found(indexes[-1]) if indexes else None,
    )


def overlap_rows(tokens: Path) -> list[OverlapRow]:
    """The newest measurement of each text set against the training split."""
    overlaps = results_of(tokens, "overlap", "tokens") if is_finished(tokens) else []
    return list({row.name: row for folder in overlaps for row in summarise(folder)}.values())


_SIZES = ("train_documents", "val_documents", "train_tokens", "val_tokens")


def count_values(counter: Counter[str], values: Sequence) -> None:
    """Add up how often each value occurs; null counts as empty."""
    for each in pc.value_counts(values).to_pylist():  # pyright: ignore
        counter[each["values"] or ""] += each["counts"]


def _ranked(counter: Counter[str], without: str) -> dict[str, int]:
    named = ((name or without, count) for name, count in counter.items())
    return dict(sorted(named, key=lambda pair: (-pair[1], pair[0])))


def _ngram(indexes: Sequence[Path]) -> int:
    return int(read_manifest(indexes[-1]).figures["n"]) if indexes else 0


def _percent_found(ngrams: Path) -> float | None:
    num_ngrams = num_found = 0
    for shard in data_shards(ngrams, "heldout-"):
        for batch in batches(shard, ["num_ngrams", "num_found"]):
            num_ngrams += pc.sum(batch.column("num_ngrams")).as_py() or 0  # pyright: ignore
            num_found += pc.sum(batch.column("num_found")).as_py() or 0  # pyright: ignore
    return _percent(num_found, num_ngrams) if num_ngrams else None


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0
