"""Folders that appear and vanish whole, whatever kills the writer."""

import shutil
from pathlib import Path

from corpus.atomic import fsync_path


def put_in_place(temporary: Path, final: Path) -> None:
    """Give a finished folder its name; its files and the name outlive a power cut.

    A folder that has the name already goes away. Between the two renames that this takes, nothing
    has the name.
    """
    for path in temporary.iterdir():
        fsync_path(path)
    fsync_path(temporary)
    replaced = _hide(final) if final.exists() else None
    temporary.rename(final)
    fsync_path(final.parent)
    if replaced:
        shutil.rmtree(replaced, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Delete a folder so that no part of it is ever seen under its name.

    What cannot be deleted now, such as a file that a network file system holds for a reader, stays
    under a hidden name for `remove_hidden`.
    """
    hidden = _hide(folder)
    fsync_path(folder.parent)
    shutil.rmtree(hidden, ignore_errors=True)


def remove_hidden(parent: Path, prefix: str) -> None:
    """Delete the folders `.prefix*` that killed runs left in `parent`."""
    for path in sorted(parent.glob(f".{prefix}*")):
        shutil.rmtree(path, ignore_errors=True)


def _hide(folder: Path) -> Path:
    hidden = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(hidden, ignore_errors=True)
    return folder.rename(hidden)
