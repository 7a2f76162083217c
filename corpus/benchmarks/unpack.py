"""Takes single files out of downloaded archives: nothing else of an archive touches the disk."""

import gzip
import hashlib
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Final, cast

from corpus.atomic import atomic_path
from corpus.benchmarks.catalog import BenchmarkFile
from corpus.benchmarks.download import foreign
from corpus.errors import WebtextError

Member = tuple[str, Callable[[], IO[bytes]]]

_MAX_BYTES: Final = 1_000_000_000
"""Of a member whose size nobody published: WikiText-103's training split has half of it."""
_CHUNK_BYTES: Final = 1 << 20

# zipfile says NotImplementedError of unknown compression, RuntimeError of encryption.
_DAMAGED: Final = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
)


def unpack(archive: Path, url: str, files: Sequence[BenchmarkFile], folder: Path) -> None:
    """Write the members of a zip or tar archive that `files` name to a benchmarks folder.

    Where they are written is for `files` to say: a member's name is only compared, so no archive
    can write elsewhere. No more of a member is inflated than the file may have.

    Raises:
        WebtextError: the archive is damaged, or has no such member, or it is not as published; the
            message names `url`, where it came from.
    """
    wanted = {PurePosixPath(file.member or ""): file for file in files}
    try:
        for name, content in _members(archive):
            # A path drops "./", which many tar files put before each name, and keeps "..".
            file = wanted.pop(PurePosixPath(name), None)
            if file is not None:
                with content() as member, atomic_path(folder / file.path) as temporary:
                    _copy(member, temporary, file)
            if not wanted:
                return
    except _DAMAGED as exc:
        raise foreign(url, f"the archive is damaged ({exc})") from exc
    raise foreign(url, f"the archive has no {', '.join(map(str, wanted))}")


def _members(archive: Path) -> Iterator[Member]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for info in packed.infolist():
                if not info.is_dir():
                    yield info.filename, partial(packed.open, info)
        return
    with tarfile.open(archive) as packed:
        for entry in packed:
            if entry.isfile():  # no link: it could point anywhere
                yield entry.name, cast(Callable[[], IO[bytes]], partial(packed.extractfile, entry))


def _copy(member: IO[bytes], target: Path, file: BenchmarkFile) -> None:
    limit = file.num_bytes or _MAX_BYTES
    digest, num_bytes = hashlib.sha256(), 0
    with target.open("wb") as copy:
        while chunk := member.read(_CHUNK_BYTES):
            num_bytes += len(chunk)
            if num_bytes > limit:
                raise _unlike(file, f"has more than {limit:,} bytes")
            digest.update(chunk)
            copy.write(chunk)
    if file.num_bytes is not None and num_bytes != file.num_bytes:
        raise _unlike(file, f"has {num_bytes:,} bytes, not {file.num_bytes:,}")
    if file.sha256 is not None and digest.hexdigest() != file.sha256:
        raise _unlike(file, f"has not the published sha256 {file.sha256}")


def _unlike(file: BenchmarkFile, problem: str) -> WebtextError:
    return foreign(file.source.url if file.source else file.path, f"{file.member} {problem}")
