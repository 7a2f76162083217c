"""Files that appear under their final name whole or not at all, whatever kills the writer."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from corpus.errors import WebtextError

# What a file system answers when it has no room: full disk, quota, and the process's size limit.
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the body succeeds.

    The file is fsynced before the rename and its folder after it, so a name that exists is whole
    even after a power cut. On any error the temporary file is removed.

    Raises:
        WebtextError: no space left for the file.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        with no_room_named(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            fsync_path(temporary)
            temporary.replace(path)
            fsync_path(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def no_room_named(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write any more into an error that names `path`.

    Raises:
        WebtextError: no space left.
    """
    try:
        yield
    except OSError as exc:
        if exc.errno not in _NO_ROOM:
            raise
        raise WebtextError(
            f"no space left to write {path}: {exc.strerror}",
            hint="Free some disk space (or choose another folder with --data) and run the same "
            "command again: finished shards are kept.",
        ) from exc


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def fsync_path(path: Path) -> None:
    """Make a file's bytes, or a folder's names, outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
