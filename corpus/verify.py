"""Checks the bytes of finished folders against what their manifests record."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from corpus.errors import WebtextError
from corpus.manifest import Shard, ShardKind, read_manifest
from corpus.shards import file_sha256

_RESTORE = "Move its folder away and run the command that made it again: nothing else is lost."


def verify_folder(folder: Path, kinds: Iterable[ShardKind] | None = None) -> Iterator[int]:
    """Read every shard of a finished folder and check its size and sha256, some at a time.

    Args:
        folder: A finished stage folder.
        kinds: Only shards of these kinds; None: all.

    Yields:
        The bytes of each shard found whole, in the manifest's order.

    Raises:
        WebtextError: a shard is missing or its bytes are not what was written.
    """
    wanted = None if kinds is None else frozenset(kinds)
    shards = [s for s in read_manifest(folder).shards if wanted is None or s.kind in wanted]
    pool = ThreadPoolExecutor(os.cpu_count())  # hashing lets go of the interpreter
    try:
        yield from pool.map(lambda shard: _verify(folder, shard), shards)
    finally:
        pool.shutdown(cancel_futures=True)


def _verify(folder: Path, shard: Shard) -> int:
    path = folder / shard.name
    if not path.is_file():
        raise WebtextError(f"{path} is missing", hint=_RESTORE)
    if path.stat().st_size != shard.bytes:
        found = path.stat().st_size
        raise WebtextError(f"{path} is damaged: {found} bytes, not {shard.bytes}", hint=_RESTORE)
    if file_sha256(path) != shard.sha256:
        raise WebtextError(f"{path} is damaged: its sha256 is not {shard.sha256}", hint=_RESTORE)
    return shard.bytes
