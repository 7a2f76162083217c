"""Puts a finished file under a second name: no byte is written where the file system allows it."""

import os
import shutil
from pathlib import Path

from corpus.atomic import atomic_path


def link_file(source: Path, path: Path) -> None:
    """Make `path` a hard link to `source`, or a copy of it on another file system.

    Finished files are never written again, only replaced, so two names may share the bytes. A
    `path` that is there already is left as it is.

    Raises:
        FileNotFoundError: there is no `source`.
        WebtextError: no space left for a copy.
    """
    if path.exists():
        return
    with atomic_path(path) as temporary:
        temporary.unlink(missing_ok=True)  # of a killed run
        try:
            os.link(source, temporary)
        except FileNotFoundError:
            raise
        except OSError:  # another file system, or one without links
            shutil.copyfile(source, temporary)
