"""Folders whose data a takedown has taken away: their record is left, and what took their place."""

from pathlib import Path
from typing import Final

import orjson

from corpus.atomic import fsync_path, write_bytes
from corpus.manifest import MANIFEST, WITHDRAWN, is_withdrawn, read_record

_LOCK: Final = ".lock"


def withdraw(folder: Path, replaced_by: str | None) -> None:
    """Take a finished folder's data away; its record stays, as `withdrawn.json`.

    A folder that is killed on the way is finished still, or is withdrawn and `clear_withdrawn`
    removes the rest.
    """
    record = read_record(folder).model_copy(update={"replaced_by": replaced_by})
    content = record.model_dump(mode="json", by_alias=True)
    write_bytes(folder / WITHDRAWN, orjson.dumps(content, option=orjson.OPT_INDENT_2))
    (folder / MANIFEST).unlink(missing_ok=True)
    fsync_path(folder)
    clear_withdrawn(folder)


def left_behind(folder: Path) -> list[Path]:
    """The files of a withdrawn folder that a killed takedown has left there."""
    files = (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return [path for path in files if path.name not in {WITHDRAWN, _LOCK}]


def clear_withdrawn(folder: Path) -> None:
    """Remove everything from a withdrawn folder but its record."""
    for path in left_behind(folder):
        path.unlink()
    for path in sorted(folder.rglob("*/"), reverse=True):
        path.rmdir()
    fsync_path(folder)


def current_version(folder: Path) -> Path:
    """The folder, or if it was withdrawn the version that is in its place now."""
    seen = {folder}
    while is_withdrawn(folder) and (name := read_record(folder).replaced_by):
        folder = folder.with_name(name)
        if folder in seen:  # written by hand
            break
        seen.add(folder)
    return folder
