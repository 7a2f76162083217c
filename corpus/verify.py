"""Checks the bytes of finished folders against what their manifests record."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from corpus.errors import WebtextError
from corpus.manifest import MANIFEST, Shard, ShardKind, content_hash, read_manifest
from corpus.storage.files import open_input

_CHUNK_BYTES = 1 << 20
_RESTORE = "Move its folder away and run the command that made it again: nothing else is lost."


def verify_folder(folder: Path, kinds: Iterable[ShardKind] | None = None) -> Iterator[int]:
    """Read every shard of a finished folder and check its size and sha256, some at a time.

    Args:
        folder: A finished stage folder.
        kinds: Only shards of these kinds; None: all.

    Yields:
        The bytes of each shard found whole, in the manifest's order.

    Raises:
        WebtextError: a shard is missing, or its bytes or the manifest are not what was written.
    """
    wanted = None if kinds is None else frozenset(kinds)
    manifest = read_manifest(folder)
    if content_hash(manifest.shards) != manifest.hash:
        raise WebtextError(
            f"{folder / MANIFEST} is damaged: its hash is not that of its shards", hint=_RESTORE
        )
    shards = [shard for shard in manifest.shards if wanted is None or shard.kind in wanted]
    pool = ThreadPoolExecutor(os.cpu_count())  # hashing lets go of the interpreter
    try:
        yield from pool.map(lambda shard: _verify(folder, shard), shards)
    finally:
        pool.shutdown(cancel_futures=True)


def _verify(folder: Path, shard: Shard) -> int:
    path = folder / shard.name
    try:
        with open_input(path) as file:
            num_bytes = file.seek(0, os.SEEK_END)
            file.seek(0)
            digest = hashlib.sha256()
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except FileNotFoundError as exc:
        raise WebtextError(f"{path} is missing", hint=_RESTORE) from exc
    if num_bytes != shard.bytes:
        raise WebtextError(
            f"{path} is damaged: {num_bytes} bytes, not {shard.bytes}", hint=_RESTORE
        )
    if digest.hexdigest() != shard.sha256:
        raise WebtextError(f"{path} is damaged: its sha256 is not {shard.sha256}", hint=_RESTORE)
    return shard.bytes
