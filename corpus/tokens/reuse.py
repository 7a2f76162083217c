"""Which token shards of an earlier version of a corpus are what this version would make anew."""

from collections.abc import Mapping
from pathlib import Path

from corpus.manifest import Manifest, Shard, read_manifest, read_record
from corpus.shards import shard_name
from corpus.tokens.encoding import vocabulary_of
from corpus.tokens.splits import SPLITS


def reusable_shards(
    base: Path,
    documents: Path,
    settings: Mapping[str, object],
    versions: Mapping[str, str],
    vocabulary: str,
) -> set[int]:
    """Numbers of the documents shards that `base` holds the tokens of, byte for byte.

    Args:
        base: A finished tokens folder; what it was made from may have been withdrawn since.
        documents: The documents folder that is to be encoded.
        settings: The settings that decide the split; other ones in `base` rule it out.
        versions: The libraries that make the shards; other ones in `base` rule it out.
        vocabulary: `Tokenizer.fingerprint` of the vocabulary in use.
    """
    manifest = read_manifest(base)
    before = _documents_before(base, manifest)
    if before is None or dict(manifest.versions) != dict(versions):
        return set()
    if any(manifest.config.get(name) != value for name, value in settings.items()):
        return set()
    known = _by_number(before)
    same = {
        n for n, sha256 in _by_number(read_manifest(documents)).items() if known.get(n) == sha256
    }
    names = {shard.name for shard in manifest.shards}
    return {number for number in same if _is_usable(base, number, names, vocabulary)}


def shard_number(shard: Path | Shard) -> int:
    """The number in a shard's name: 7 of `documents-00007.arrow`."""
    return int(Path(shard.name).stem.rpartition("-")[2])


def _documents_before(base: Path, manifest: Manifest) -> Manifest | None:
    """The record of the documents that `base` was made from; None: it cannot be found."""
    source = manifest.inputs.get("documents")
    if source is None:
        return None
    path = Path(source.path)
    # Stage folders lie side by side, so a data folder that was moved is still whole.
    for folder in (path, base.resolve().parents[1].joinpath(*path.parts[-2:])):
        if folder.is_dir():
            record = read_record(folder)
            return record if record.hash == source.hash else None
    return None


def _by_number(documents: Manifest) -> dict[int, str]:
    return {
        shard_number(shard): shard.sha256
        for shard in documents.shards
        if shard.kind == "data" and shard.name.startswith("documents-")
    }


def _is_usable(base: Path, number: int, names: set[str], vocabulary: str) -> bool:
    shards = [shard_name(split, number) for split in SPLITS]
    return all(name in names and vocabulary_of(base / name) == vocabulary for name in shards)
