"""Manifests in words and tables: the funnel from links to tokens, the corpus hash, the lineage."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from corpus.manifest import Manifest, is_finished, is_withdrawn, read_record

CorpusStage = Literal["links", "pages", "documents", "unique", "tokens"]
"""The stages that a build may end with."""

CORPUS_STAGES = (
    *("links", "pages", "documents", "unique", "trimmed"),
    *("extended", "decontaminated", "tokens"),
)
"""The stages from Reddit's links to token shards, in order; not every corpus has all."""

# Inputs that are another corpus: it has a record of its own, and is told of as history.
_OTHER_CORPUS = ("base", "kept-")


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
    return source_of(tokens, "documents")


def source_of(folder: Path, role: str) -> Path:
    """The stage folder that a stage folder had as this input."""
    return _beside(folder, read_record(folder).inputs[role].path)


def corpora(data: Path) -> list[tuple[Path, Manifest]]:
    """The tokens folders of a data folder with their records, oldest first, withdrawn ones too."""
    folders = [path for path in (data / "tokens").glob("*") if _is_known(path)]
    found = [(folder, read_record(folder)) for folder in sorted(folders)]
    return sorted(found, key=lambda pair: pair[1].times.finished)


def lineage(folder: Path) -> dict[str, Path]:
    """The stage folders that `folder` was made from, itself included, by stage name.

    Inputs that are no stage of ours (dumps, benchmark files) are left out, and so are the corpora
    that this one extends or was compared with.
    """
    return {stage: folders[0] for stage, folders in _by_stage(folder, _OTHER_CORPUS).items()}


def ancestors(tokens: Path) -> dict[str, list[Path]]:
    """The stage folders whose documents may have become this corpus's, by stage name.

    Those of `lineage`, and for an extended corpus also those of the corpora that it extends.
    """
    return _by_stage(documents_of(tokens), ("kept-", "matches"))


def _by_stage(folder: Path, ignored: tuple[str, ...]) -> dict[str, list[Path]]:
    """Stage folders behind `folder`, and itself, sources first; of a stage, the nearest first."""
    manifest = read_record(folder)
    found: dict[str, list[Path]] = {}
    for role, source in manifest.inputs.items():
        path = _beside(folder, source.path)
        if role.startswith(ignored) or not _is_known(path):
            continue
        for stage, folders in _by_stage(path, ignored).items():
            known = found.setdefault(stage, [])
            known += [each for each in folders if each not in known]
    itself = [folder, *(each for each in found.pop(manifest.stage, []) if each != folder)]
    return {**found, manifest.stage: itself}


def _is_known(folder: Path) -> bool:
    return is_finished(folder) or is_withdrawn(folder)


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


def show_interval(low: float | None, high: float | None) -> str:
    """`31.20 to 34.05`; empty where an end is not known."""
    if low is None or high is None:
        return ""
    return f"{show_number(low)} to {show_number(high)}"


def show_bytes(size: float) -> str:
    """`512 B`, `6.5 MB`, `40.2 GB`: powers of ten, as disks are sold."""
    return f"{size:,.0f} B" if size < 1000 else f"{_shortened(size)}B"


def show_short(count: int) -> str:
    """`985`, `3.2 M`, `9.1 G`: of a large number, two digits or more."""
    return f"{count:,}" if count < 10_000 else _shortened(count)


def _shortened(value: float) -> str:
    for prefix in ("k", "M", "G"):
        value /= 1000
        if value < 1000:
            return f"{value:.1f} {prefix}"
    return f"{value / 1000:,.1f} T"
