"""What was counted in a finished stage folder, kept as JSON beside its shards."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from corpus.atomic import write_bytes
from corpus.manifest import read_manifest
from corpus.settings import Section


class Remembered(Section):
    """Facts about a stage's shards that take a pass over them."""

    of: str
    """What they were counted in: the stage's hash, and when it was made."""


Facts = TypeVar("Facts", bound=Remembered)


def remembered(folder: Path, name: str, kind: type[Facts], count: Callable[[str], Facts]) -> Facts:
    """The facts in `NAME.json` of a finished folder; counted anew if they are of other shards.

    They go with the folder: a takedown that withdraws it takes them away too.

    Args:
        folder: A finished stage folder.
        name: Of the file, without its ending.
        kind: What it holds.
        count: Counts; it is given what to say in `of`.

    Raises:
        WebtextError: the folder is not finished, or a shard is damaged or missing.
    """
    manifest = read_manifest(folder)
    of = f"{manifest.hash[:16]} {manifest.times.finished:%Y-%m-%dT%H:%M:%S.%f}"
    path = folder / f"{name}.json"
    known = _read(path, kind)
    if known is None or known.of != of:
        known = count(of)
        write_bytes(path, known.model_dump_json().encode())
    return known


def _read(path: Path, kind: type[Facts]) -> Facts | None:
    try:
        return kind.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):  # of another version: counted again
        return None
