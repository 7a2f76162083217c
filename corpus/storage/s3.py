"""One bucket of S3, or of a server that speaks its language: the few things that we ask of it.

Endpoint, region and credentials come from the usual environment (AWS_*), or from where the AWS
libraries look besides: ~/.aws, the role of a machine. They are never written anywhere.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
from pyarrow.fs import AwsStandardS3RetryStrategy, FileInfo, FileSelector, FileType, S3FileSystem

from corpus.errors import PassingError, UsageError, WebtextError

SCHEME = "s3://"
CHUNK_BYTES = 8 * 2**20

_CONNECT_S, _REQUEST_S, _ATTEMPTS = 5, 60, 4
_NO_ANSWER = ("NETWORK_CONNECTION", "REQUEST_TIMEOUT", "SERVICE_UNAVAILABLE", "curlCode")
_REFUSED = ("ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "INVALID_CLIENT_TOKEN", "SIGNATURE", "403")


@dataclass(frozen=True)
class Bucket:
    """A place in a bucket: the prefix that a data folder has there.

    Keys are as pyarrow writes them: `bucket/prefix/STAGE/KEY/file`. Every method raises a
    WebtextError if no server answers, or if it refuses.
    """

    root: str
    """`bucket/prefix`, without a slash at its end."""

    def folders(self, key: str) -> list[str]:
        """The folders directly below `key`, by name."""
        return sorted(i.path for i in self._list(key) if i.type == FileType.Directory)

    def files(self, key: str, *, recursive: bool = True) -> list[FileInfo]:
        """The objects below `key`, with size and time."""
        return [i for i in self._list(key, recursive=recursive) if i.type == FileType.File]

    def existing(self, keys: list[str]) -> set[str]:
        """Those of `keys` that are objects."""
        with named_errors(self.root):
            infos = _filesystem().get_file_info(keys) if keys else []
        return {info.path for info in infos if info.type == FileType.File}

    def open(self, key: str) -> pa.NativeFile:
        """A seekable stream over an object."""
        with named_errors(key):
            return _filesystem().open_input_file(key)

    def read(self, key: str) -> bytes:
        """A small object, whole."""
        with named_errors(key), _filesystem().open_input_file(key) as stream:
            return stream.read()

    def write(self, key: str, content: bytes) -> None:
        """Make or replace a small object."""
        with named_errors(key), _filesystem().open_output_stream(key, compression=None) as stream:
            stream.write(content)

    def upload(self, path: Path, key: str) -> None:
        """Make or replace an object by a file's bytes; it appears when its last byte is there."""
        with (
            path.open("rb") as file,
            named_errors(key),
            # Left to itself it compresses what is called .gz or .zst.
            _filesystem().open_output_stream(key, compression=None) as stream,
        ):
            shutil.copyfileobj(file, stream, CHUNK_BYTES)

    def delete(self, key: str) -> None:
        """Remove an object; it may be gone already."""
        with named_errors(key):
            if _filesystem().get_file_info(key).type == FileType.File:
                _filesystem().delete_file(key)

    def _list(self, key: str, *, recursive: bool = False) -> list[FileInfo]:
        selector = FileSelector(key, allow_not_found=True, recursive=recursive)
        with named_errors(key):
            return _filesystem().get_file_info(selector)


def is_url(location: str) -> bool:
    """Whether a data folder is named by a URL and not by a path."""
    return "://" in location or location.startswith("s3:")


def parse_url(url: str) -> str:
    """`bucket/prefix` of `s3://bucket/prefix/`.

    Raises:
        UsageError: it names no bucket, or is a URL of another kind.
    """
    root = url.removeprefix(SCHEME).rstrip("/")
    if not url.startswith(SCHEME) or not root or any(not part for part in root.split("/")):
        raise UsageError(
            f"{url} is no place for data", hint="Give a folder, or s3://BUCKET or s3://BUCKET/PATH."
        )
    return root


def open_bucket(root: str) -> Bucket:
    """The bucket at `bucket/prefix`, after asking whether it is there.

    Raises:
        WebtextError: no server answers, there is no such bucket, or it does not let us in.
    """
    name = root.partition("/")[0]
    with named_errors(name):
        info = _filesystem().get_file_info(name)
    if info.type == FileType.NotFound:
        raise _no_bucket(f"{SCHEME}{root}")
    return Bucket(root)


def endpoint() -> str | None:
    """The server's address; None: Amazon's."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


@contextmanager
def named_errors(key: str) -> Iterator[None]:
    """Turn what pyarrow raises of S3 into errors that name the object, the bucket or the server.

    Raises:
        WebtextError: any of them.
    """
    try:
        yield
    except FileNotFoundError as exc:
        raise WebtextError(
            f"{SCHEME}{key} is missing",
            hint="Restore it, or remove its folder in the bucket and run the command that made it "
            "again.",
        ) from exc
    except OSError as exc:
        if not is_s3_error(exc):
            raise  # of the local file
        raise s3_error(f"{SCHEME}{key}", exc) from exc


def is_s3_error(exc: Exception) -> bool:
    """Whether pyarrow raised this because of the server, not of a file's content."""
    return isinstance(exc, OSError) and "AWS Error" in str(exc)


def s3_error(place: str, exc: Exception) -> WebtextError:
    """What a person should read of an error of the server on the object `place`."""
    message = str(exc)
    if "NO_SUCH_BUCKET" in message:
        return _no_bucket(place)
    if any(sign in message for sign in _REFUSED):
        return WebtextError(
            f"{_server()} does not let us use {place}: credentials are missing or refused",
            hint="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_REGION), and see that "
            "they may list, read, write and delete there.",
        )
    if any(sign in message for sign in _NO_ANSWER):
        return PassingError(
            f"no S3 server answers at {_server()}: {message.rpartition(': ')[2][:200]}",
            hint="Check the network, AWS_ENDPOINT_URL and AWS_REGION; then run the command again.",
        )
    return WebtextError(
        f"{_server()} failed on {place}: {message[:400]}",
        hint="Run the same command again: what is finished is kept.",
    )


def _no_bucket(place: str) -> WebtextError:
    return WebtextError(
        f"{_server()} has no bucket for {place}",
        hint="Check its name and AWS_ENDPOINT_URL, or make it first: aws s3 mb s3://BUCKET",
    )


def _server() -> str:
    # A user and password in the address are nobody's business.
    return (endpoint() or "Amazon S3").rpartition("@")[2]


def _filesystem() -> S3FileSystem:
    return _connect(tuple(sorted(i for i in os.environ.items() if i[0].startswith("AWS_"))))


@lru_cache(maxsize=2)
def _connect(environment: tuple[tuple[str, str], ...]) -> S3FileSystem:
    settings = dict(environment)
    return S3FileSystem(
        endpoint_override=endpoint(),
        region=settings.get("AWS_REGION") or settings.get("AWS_DEFAULT_REGION"),
        connect_timeout=_CONNECT_S,
        request_timeout=_REQUEST_S,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        # In the background it holds as much of a file as the disk is faster than the network.
        background_writes=False,
    )
