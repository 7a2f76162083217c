"""Keeps a bucket and its local mirror in step: what is finished goes there, and is known here.

A stage's folder is finished in the bucket when its manifest lies there, which is sent last.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson
from pyarrow.fs import FileInfo

from corpus.atomic import write_bytes
from corpus.errors import WebtextError
from corpus.manifest import (
    MANIFEST,
    WITHDRAWN,
    Shard,
    is_finished,
    is_withdrawn,
    read_manifest,
)
from corpus.runtime import Progress, SilentProgress
from corpus.storage.files import MARKER, locked, remote_of, transfer
from corpus.storage.s3 import SCHEME, Bucket, endpoint, is_url, open_bucket, parse_url
from corpus.storage.sending import sending

_CACHE = "WEBTEXT_CACHE"
_RECORDS = {MANIFEST, WITHDRAWN}
_LISTS = ".txt"
"""Lists in the data folder itself, such as takedown.txt, only grow: see `_merge_lists`."""


def open_data(location: str) -> Path:
    """The local folder to work in: `location` itself, or the mirror of an `s3://` URL.

    A mirror learns here which stages are finished in the bucket; their data comes when needed.

    Raises:
        UsageError: a URL that names no bucket, or of another kind.
        WebtextError: no server answers, there is no such bucket, or it does not let us in.
    """
    if not is_url(location):
        return Path(location)
    bucket = open_bucket(parse_url(location))
    # Several servers may have a bucket of this name.
    digest = hashlib.sha256(f"{endpoint()} {bucket.root}".encode()).hexdigest()[:12]
    cache = Path(os.environ.get(_CACHE) or "~/.cache/webtext").expanduser().absolute()
    root = cache / f"{bucket.root.partition('/')[0]}-{digest}"
    root.mkdir(parents=True, exist_ok=True)
    with locked(root / ".pull.lock"):
        write_bytes(root / MARKER, orjson.dumps({"url": f"{SCHEME}{bucket.root}"}))
        _pull(root, bucket)
    return root


def push(folder: Path, progress: Progress | None = None) -> None:
    """Bring a stage's folder into the bucket: its files, then the manifest, which finishes it.

    What the bucket has is not sent again, so a killed push goes on where it was. A withdrawn
    folder is withdrawn there too. Nothing happens outside a mirror, or if the stage has not ended.

    Raises:
        WebtextError: no server answers, it refuses, or a file is nowhere.
    """
    remote = remote_of(folder)
    if remote is None or not (is_finished(folder) or is_withdrawn(folder)):
        return
    bucket, key = remote
    there = _listing(bucket, key)
    if is_withdrawn(folder):
        _withdraw_there(folder, bucket, key, there)
    elif _is_withdrawn_there(there) and not (folder / WITHDRAWN).is_file():
        _withdraw_here(folder, bucket, key)  # somebody took it down in the meantime
    else:
        _upload(folder, bucket, key, there, progress)


def push_data(data: Path) -> None:
    """Bring everything that is finished into the bucket, with reports, cards and lists.

    Raises:
        WebtextError: as `push`.
    """
    remote = remote_of(data)
    if remote is not None:
        for folder in sorted(data.glob("*/*")):
            push(folder)
        _merge_lists(data, remote[0], send=True)


def _pull(root: Path, bucket: Bucket) -> None:
    """Learn which folders are finished or withdrawn in the bucket, and what its lists say."""
    keys = [key for stage in bucket.folders(bucket.root) for key in bucket.folders(stage)]
    there = bucket.existing([f"{key}/{name}" for key in keys for name in sorted(_RECORDS)])
    for key in keys:
        names = {name for name in sorted(_RECORDS) if f"{key}/{name}" in there}
        _pull_record(root / key.removeprefix(f"{bucket.root}/"), bucket, key, names)
    _merge_lists(root, bucket, send=False)


def _pull_record(folder: Path, bucket: Bucket, key: str, there: set[str]) -> None:
    is_made_again = is_finished(folder) and (folder / WITHDRAWN).is_file()
    if _is_withdrawn_there(there):
        if not is_made_again:
            _withdraw_here(folder, bucket, key)
    # Shards of a stage that is at work here, or was killed here, are not another run's.
    elif MANIFEST in there and not is_finished(folder) and not _files(folder):
        for name in sorted(there, reverse=True):  # the manifest last
            write_bytes(folder / name, bucket.read(f"{key}/{name}"))


def _upload(
    folder: Path,
    bucket: Bucket,
    key: str,
    there: dict[str, FileInfo],
    progress: Progress | None,
) -> None:
    shards = {shard.name: shard for shard in read_manifest(folder).shards}
    if MANIFEST not in there:
        with sending(bucket, key, progress or SilentProgress()) as check_alone:
            there = _listing(bucket, key)  # somebody may have finished it while we waited
            if MANIFEST not in there:
                _send(folder, list(shards), bucket, key, there, progress)
                _check_sent(folder, shards.values(), bucket, key)
                check_alone()
                bucket.upload(folder / MANIFEST, f"{key}/{MANIFEST}")
    # Once finished, the record and what it names stay as they are; reports and cards may change.
    _send(folder, [n for n in _files(folder) if n not in shards], bucket, key, there, progress)


def _send(
    folder: Path,
    names: Sequence[str],
    bucket: Bucket,
    key: str,
    there: dict[str, FileInfo],
    progress: Progress | None,
) -> None:
    changed = [folder / name for name in names if _differs(folder / name, there.get(name))]
    if changed:
        transfer(
            lambda path: bucket.upload(path, f"{key}/{path.relative_to(folder).as_posix()}"),
            changed,
            "files sent",
            progress,
        )


def _check_sent(folder: Path, shards: Iterable[Shard], bucket: Bucket, key: str) -> None:
    sizes = _listing(bucket, key)
    for shard in shards:
        if shard.name not in sizes or sizes[shard.name].size != shard.bytes:
            raise WebtextError(
                f"{SCHEME}{key}/{shard.name} is missing or not whole",
                hint="Run the same command again to send it. If it is missing here too, move "
                f"{folder} away, so that it is made again.",
            )


def _listing(bucket: Bucket, key: str) -> dict[str, FileInfo]:
    """What the bucket has of a folder, by name in the folder."""
    return {info.path.removeprefix(f"{key}/"): info for info in bucket.files(key)}


def _differs(path: Path, there: FileInfo | None) -> bool:
    # By size and time, as rsync: logs of two runs may have one size, their data has one sha256.
    if there is None or there.size != path.stat().st_size or there.mtime is None:
        return True
    return there.mtime.timestamp() < int(path.stat().st_mtime)


def _is_withdrawn_there(there: dict[str, FileInfo] | set[str]) -> bool:
    return WITHDRAWN in there and MANIFEST not in there


def _withdraw_there(folder: Path, bucket: Bucket, key: str, there: dict[str, FileInfo]) -> None:
    """Remove a folder's data from the bucket: first the record that it is gone, then the rest."""
    if WITHDRAWN not in there:
        bucket.upload(folder / WITHDRAWN, f"{key}/{WITHDRAWN}")
    for name in sorted(there.keys() - {WITHDRAWN}, key=lambda name: (name != MANIFEST, name)):
        bucket.delete(f"{key}/{name}")


def _withdraw_here(folder: Path, bucket: Bucket, key: str) -> None:
    """Remove a mirrored folder's data: withdrawn in the bucket, it must not be used here."""
    (folder / MANIFEST).unlink(missing_ok=True)
    if not (folder / WITHDRAWN).is_file():
        write_bytes(folder / WITHDRAWN, bucket.read(f"{key}/{WITHDRAWN}"))
    for name in _files(folder):
        (folder / name).unlink()


def _files(folder: Path) -> list[str]:
    """The files of a stage's folder but its records: shards, and what was added since."""
    names = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    shown = {name.as_posix() for name in names if not any(part[0] == "." for part in name.parts)}
    return sorted(shown - _RECORDS)


def _merge_lists(root: Path, bucket: Bucket, *, send: bool) -> None:
    """Give the lists in the data folder the lines of both sides: none is lost by either."""
    objects = {
        name: info.path
        for info in bucket.files(bucket.root, recursive=False)
        if (name := info.path.rpartition("/")[2]).endswith(_LISTS)
    }
    for name in sorted(objects.keys() | {path.name for path in root.glob(f"*{_LISTS}")}):
        theirs = bucket.read(objects[name]) if name in objects else b""
        ours = (root / name).read_bytes() if (root / name).is_file() else b""
        merged = b"".join(
            line + b"\n" for line in dict.fromkeys([*theirs.splitlines(), *ours.splitlines()])
        )
        if merged != ours:
            write_bytes(root / name, merged)
        if send and merged != theirs:
            bucket.write(f"{bucket.root}/{name}", merged)
