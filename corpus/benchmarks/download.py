"""Downloads a file of a known sum, and goes on where an earlier attempt stopped."""

import hashlib
from pathlib import Path
from typing import Final, Protocol

import httpx2

from corpus.benchmarks.catalog import Source
from corpus.errors import WebtextError
from corpus.runtime import Progress

_MAX_BYTES: Final = 100_000_000
"""From an address whose size nobody published: those are small files."""
_CHUNK_BYTES: Final = 64_000
_KB: Final = 1_000
# What is hashed and resumed are the bytes of the file, so the server must not pack them.
_HEADERS: Final = {"User-Agent": "webtext", "Accept-Encoding": "identity"}


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


def download(source: Source, part: Path, progress: Progress, stall_s: float) -> None:
    """Fetch `source` to `part`, which may have the file's beginning already.

    After an error `part` keeps what came, for the next call to go on with; unless it is not what
    was published.

    Args:
        source: From where; without a published sum the download begins anew each time, as nothing
            would prove that two halves are of one file.
        part: To where.
        progress: Told of kilobytes.
        stall_s: Seconds after which a server that sends nothing is given up.

    Raises:
        WebtextError: the server does not answer, stops half-way, or gives something else.
    """
    if source.sha256 is None:
        part.unlink(missing_ok=True)
    start, digest = _beginning(part)
    if start and digest.hexdigest() == source.sha256:
        return
    headers = {**_HEADERS, "Range": f"bytes={start}-"} if start else _HEADERS
    try:
        with httpx2.stream(
            "GET", source.url, headers=headers, timeout=stall_s, follow_redirects=True
        ) as answer:
            if not (start and answer.status_code == httpx2.codes.RANGE_NOT_SATISFIABLE):
                _save(answer, source, part, start, digest, progress)
                return
    except httpx2.HTTPError as exc:
        raise _broken(source, str(exc) or type(exc).__name__) from exc
    # Nothing follows what is here, and it is not the file: it began as something else.
    part.unlink()
    download(source, part, progress, stall_s)


def foreign(url: str, problem: str) -> WebtextError:
    """The error for an address that does not give what its publishers put there."""
    return WebtextError(
        f"{url} does not give what was published: {problem}",
        hint="Try again; if that does not help, get the file by hand and see "
        "`webtext benchmarks check`.",
    )


def _beginning(part: Path) -> tuple[int, _Hash]:
    if not part.exists():
        return 0, hashlib.sha256()
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return part.stat().st_size, digest


def _save(
    answer: httpx2.Response,
    source: Source,
    part: Path,
    start: int,
    digest: _Hash,
    progress: Progress,
) -> None:
    if not answer.is_success:
        raise _broken(source, f"it answers {answer.status_code} {answer.reason_phrase}".rstrip())
    if start and not _goes_on(answer, start):
        part.unlink()
        start, digest = 0, hashlib.sha256()
    length = answer.headers.get("Content-Length", "")
    total = start + int(length) if length.isdecimal() else source.num_bytes
    limit = source.num_bytes or _MAX_BYTES
    if total is not None and total > limit:  # before it fills the disk
        raise foreign(source.url, f"it has {total:,} bytes, more than {limit:,}")
    progress.start(None if total is None else total // _KB, "kB")
    progress.advance(start // _KB)
    num_bytes = start
    with part.open("ab") as file:
        for chunk in answer.iter_raw(_CHUNK_BYTES):
            num_bytes += len(chunk)
            if num_bytes > limit:
                raise _unlike(part, source, f"it has more than {limit:,} bytes")
            digest.update(chunk)
            file.write(chunk)
            progress.advance(len(chunk) // _KB)
    if source.num_bytes is not None and num_bytes < source.num_bytes:
        raise _broken(source, f"it ended after {num_bytes:,} of {source.num_bytes:,} bytes")
    if source.sha256 not in (None, digest.hexdigest()):
        raise _unlike(part, source, f"its sha256 is {digest.hexdigest()}, not {source.sha256}")


def _goes_on(answer: httpx2.Response, start: int) -> bool:
    """Whether the server sends what follows `start` bytes; it may begin anew."""
    is_partial = answer.status_code == httpx2.codes.PARTIAL_CONTENT
    return is_partial and answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _broken(source: Source, problem: str) -> WebtextError:
    return WebtextError(
        f"{source.url} was not fetched: {problem}",
        hint="See to the network and run the same command again: what came is kept. Or get the "
        "file elsewhere and put it in the folder.",
    )


def _unlike(part: Path, source: Source, problem: str) -> WebtextError:
    part.unlink()  # to go on with it would give the same
    return foreign(source.url, problem)
