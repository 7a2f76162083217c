"""Files that may lie in S3: fetched when a local one is needed, streamed where that will do.

A data folder may be the local mirror of an `s3://` URL. Its root holds `.remote.json`, which says
of what, so that a path alone tells any process whether there is a remote copy, and where. What a
manifest of the mirror names may be here or in the bucket; `mirror.py` keeps the two in step.
"""

import fcntl
import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, cast

import orjson

from corpus.atomic import atomic_path
from corpus.errors import WebtextError
from corpus.manifest import MANIFEST, Shard, is_finished, read_manifest
from corpus.runtime import Progress, SilentProgress
from corpus.storage.s3 import CHUNK_BYTES, SCHEME, Bucket, named_errors, parse_url

MARKER = ".remote.json"
"""In the root of a mirror: {"url": "s3://bucket/prefix"}."""

_TRANSFERS = 8
"""Files in flight. One connection to S3 carries less than a network card does."""


def mirror_root(path: Path) -> Path | None:
    """The root of the mirror that `path` lies in; None: in none."""
    path = path.absolute()
    return next((each for each in (path, *path.parents) if (each / MARKER).is_file()), None)


def remote_of(path: Path) -> tuple[Bucket, str] | None:
    """The bucket that `path` is mirrored in, and the key it has there; None: it is in no mirror."""
    root = mirror_root(path)
    if root is None:
        return None
    bucket = Bucket(parse_url(orjson.loads((root / MARKER).read_bytes())["url"]))
    below = path.absolute().relative_to(root).parts
    return bucket, "/".join((bucket.root, *below))


def local_file(path: Path) -> Path:
    """`path`, after fetching the file if it lies in the bucket only: for who must map or link it.

    Any number of processes may ask for one file: it is fetched once.

    Raises:
        WebtextError: the object is missing, is not what the manifest records, or no server answers.
    """
    if path.is_file() or (shard := _recorded(path)) is None:
        return path  # a file that is nowhere is for its reader to name
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    with locked(lock):
        if not path.is_file():
            _download(path, shard)
        # Whoever waits for this lock will find the file in its place.
        lock.unlink(missing_ok=True)
    return path


def open_input(path: Path) -> BinaryIO:
    """A seekable stream over a file, from the bucket if it is not here; nothing is kept.

    Raises:
        FileNotFoundError: it is neither here nor named by a manifest of a mirror.
        WebtextError: the object is missing or of another size, or no server answers.
    """
    remote = None if path.is_file() else remote_of(path)
    shard = None if remote is None else _recorded(path)
    if remote is None or shard is None:
        return path.open("rb")
    bucket, key = remote
    stream = bucket.open(key)
    if stream.size() != shard.bytes:
        raise _damaged(key, f"{stream.size()} bytes, not {shard.bytes}")
    return cast(BinaryIO, stream)


def num_rows_recorded(path: Path) -> int | None:
    """The rows of a shard that is not here, as its manifest says; None: read the file."""
    shard = None if path.is_file() else _recorded(path)
    return None if shard is None else shard.rows


def fetch(folder: Path, names: Iterable[str], progress: Progress | None = None) -> None:
    """Fetch these files of a finished folder, those that are not here, some at a time.

    Raises:
        WebtextError: as `local_file`.
    """
    missing = [folder / name for name in names if not (folder / name).is_file()]
    if missing and mirror_root(folder) is not None:
        transfer(local_file, missing, "files fetched", progress)


def fetch_files(folder: Path, progress: Progress | None = None) -> None:
    """Fetch what cannot be streamed: the files of a finished folder that are no Arrow shards.

    Archives, indexes, checkpoints, vocabularies, metrics.

    Raises:
        WebtextError: as `local_file`.
    """
    if mirror_root(folder) is not None and is_finished(folder):
        names = (shard.name for shard in read_manifest(folder).shards)
        fetch(folder, [name for name in names if not name.endswith(".arrow")], progress)


def transfer(
    move: Callable[[Path], object], paths: list[Path], unit: str, progress: Progress | None
) -> None:
    """Call `move` with each path, some at a time; the first error ends it."""
    progress = progress or SilentProgress()
    progress.start(len(paths), unit)
    pool = ThreadPoolExecutor(_TRANSFERS)
    try:
        for path, _ in zip(paths, pool.map(move, paths), strict=True):
            progress.advance(note=path.name)
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; other processes and threads wait meanwhile."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _recorded(path: Path) -> Shard | None:
    """What the manifest of a mirrored stage folder says of a file in it; None: nothing."""
    root = mirror_root(path)
    if root is None:
        return None
    parts = path.absolute().relative_to(root).parts
    folder = root.joinpath(*parts[:2])
    if len(parts) < 3 or not is_finished(folder):
        return None
    return _shards(folder, (folder / MANIFEST).stat().st_mtime_ns).get("/".join(parts[2:]))


@lru_cache(maxsize=16)
def _shards(folder: Path, _mtime_ns: int) -> dict[str, Shard]:
    # A manifest of 10,000 shards takes as long to parse as a shard to open.
    return {shard.name: shard for shard in read_manifest(folder).shards}


def _download(path: Path, shard: Shard) -> None:
    remote = remote_of(path)
    assert remote is not None  # a recorded file is in a mirror
    bucket, key = remote
    digest = hashlib.sha256()
    with atomic_path(path) as temporary:
        with temporary.open("wb") as file, named_errors(key), bucket.open(key) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != shard.sha256:
            raise _damaged(key, f"its sha256 is not {shard.sha256}")


def _damaged(key: str, how: str) -> WebtextError:
    return WebtextError(
        f"{SCHEME}{key} is damaged: {how}",
        hint="Restore it, or remove its folder in the bucket and run the command that made it "
        "again: nothing else is lost.",
    )
