"""An empty database of Prefect's, kept on this machine for the next new data folder.

Each data folder has a database of its own, and making its tables by migration takes seven seconds.
"""

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path

from corpus.atomic import atomic_path
from corpus.storage.files import locked

_NAME = "prefect.db"
_CACHE = "WEBTEXT_CACHE"


def start_from_kept(home: Path) -> None:
    """Give a new PREFECT_HOME a copy of the empty database, if one was kept.

    Args:
        home: The PREFECT_HOME of a server that is not running.
    """
    if not _kept().is_file():
        return
    home.mkdir(parents=True, exist_ok=True)
    with locked(home / ".database.lock"):
        if not (home / _NAME).exists():
            with atomic_path(home / _NAME) as path:
                shutil.copyfile(_kept(), path)


def keep_empty(home: Path) -> None:
    """Keep a copy of a server's database, unless there is one; where we may not write, do without.

    Args:
        home: The PREFECT_HOME of a server that has just started, and was not asked anything yet.
    """
    if _kept().is_file() or not (home / _NAME).is_file() or _was_used(home / _NAME):
        return
    with suppress(OSError):
        _kept().parent.mkdir(parents=True, exist_ok=True)
        with (
            locked(_kept().with_suffix(".lock")),
            atomic_path(_kept()) as path,
            closing(sqlite3.connect(home / _NAME)) as theirs,
            closing(sqlite3.connect(path)) as ours,
        ):
            theirs.backup(ours)


def _was_used(database: Path) -> bool:
    with closing(sqlite3.connect(database)) as opened:
        return bool(opened.execute("SELECT count(*) FROM flow_run").fetchone()[0])


def _kept() -> Path:
    cache = Path(os.environ.get(_CACHE) or "~/.cache/webtext").expanduser()
    return cache / f"prefect-{version('prefect')}.db"
