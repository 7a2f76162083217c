"""Manifests in words and tables: the funnel from links to tokens, the corpus hash, the lineage."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from corpus.manifest import Manifest, is_finished, is_withdrawn, read_record

CorpusStage = Literal["links", "pages", "documents", "unique", "tokens"]
"""The stages that a build may end with."""

CORPUS_STAGES = ("links", "pages", "documents", "unique", "trimmed", "decontaminated", "tokens")
"""The stages from Reddit's links to token shards, in order; not every corpus has all."""


@dataclass(frozen=True)
class FunnelRow:
    """One stage of the funnel."""

    stage: str
    incoming: int
    out: int
    rejects: dict[str, int]


def count_phrase(manifest: Manifest) -> str:
    """`1,203 -> 1,112 (low_score 61, same_url 30)`."""
    counts = manifest.counts
    dropped = ", ".join(f"{reason} {count:,}" for reason, count in counts.rejects.items())
    return f"{counts.incoming:,} → {counts.out:,}" + (f" ({dropped})" if dropped else "")


def corpus_hash(tokens: Path) -> str:
    """The name of a corpus: over its documents (ids, URLs, text) and its tokens (hex, 16).

    Args:
        tokens: A finished tokens folder.
    """
    manifest = read_record(tokens)
    both = f"{manifest.inputs['documents'].hash} {manifest.hash}"
    return hashlib.sha256(both.encode()).hexdigest()[:16]


def documents_of(tokens: Path) -> Path:
    """The documents that a tokens folder was made of: unique ones, or decontaminated ones."""
    return _beside(tokens, read_record(tokens).inputs["documents"].path)


def lineage(folder: Path) -> dict[str, Path]:
    """The stage folders that `folder` was made from, itself included, by stage name.

    Inputs that are no stage of ours (dumps, benchmark files) are left out.
    """
    manifest = read_record(folder)
    found = {manifest.stage: folder}
    for source in manifest.inputs.values():
        path = _beside(folder, source.path)
        if is_finished(path) or is_withdrawn(path):
            found = {**lineage(path), **found}
    return found


def _beside(folder: Path, recorded: str) -> Path:
    # Stage folders lie side by side, so a data folder that was moved is still whole.
    return folder.parents[1].joinpath(*Path(recorded).parts[-2:])


def funnel(tokens: Path) -> Iterator[FunnelRow]:
    """The counts of each stage from links to tokens.

    Args:
        tokens: A finished tokens folder.
    """
    folders = lineage(tokens)
    for stage in CORPUS_STAGES:
        if stage not in folders:
            continue
        counts = read_record(folders[stage]).counts
        yield FunnelRow(stage, counts.incoming, counts.out, counts.rejects)


def show_number(value: float | str | None) -> str:
    """`1,234`, `4.46`, `3.38e+08`; empty for None, a text as it is."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) < 1e6 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else value
