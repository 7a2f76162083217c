"""One process at a time sends a stage's folder to a bucket, whatever machine it is on.

Who wants to send writes a claim, an object of its own, and looks for others: it sends if there is
none, or else takes its claim back and asks again later. S3 shows what was written to whoever lists
after it, so of two that look at once at least one sees the other. A claim is renewed; its age is
told by the server's clock alone.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from uuid import uuid4

import orjson
from pyarrow.fs import FileInfo
from pydantic import ValidationError

from corpus.errors import PassingError, WebtextError
from corpus.lease import Owner
from corpus.runtime import Progress
from corpus.storage.s3 import SCHEME, Bucket

CLAIM = ".sending-"
"""How the objects are called, in the folder that is sent."""

_OVER_S = 120.0
_RENEWALS = 6  # in that time
_AGAIN_S = (1.0, 3.0)  # at random, or two that wait would meet for ever


@contextmanager
def sending(bucket: Bucket, key: str, progress: Progress) -> Iterator[Callable[[], None]]:
    """Wait until nobody sends this folder, and keep others out while the body runs.

    Args:
        bucket: Where to.
        key: The folder.
        progress: Is told who is waited for.

    Yields:
        What to call before the last step: it raises a PassingError if somebody took over, as this
        process gave no sign for too long.

    Raises:
        WebtextError: no server answers, or it refuses.
    """
    claim = f"{key}/{CLAIM}{uuid4().hex}"
    content = Owner.this_process().model_dump_json().encode()
    done = threading.Event()

    def renew() -> None:
        while not done.wait(_OVER_S / _RENEWALS):
            with suppress(WebtextError):  # asked for again in a moment, and at the end
                if bucket.existing([claim]):
                    bucket.write(claim, content)

    def check() -> None:
        if not bucket.existing([claim]):
            raise PassingError(
                f"this process was away for too long and another one sends {SCHEME}{key}",
                hint="Wait for that one; then run the same command again.",
            )

    renewal = threading.Thread(target=renew, name="claim", daemon=True)
    try:
        bucket.write(claim, content)
        while (other := _other(bucket, key, claim)) is not None:
            bucket.delete(claim)
            progress.advance(0, f"waits for {other}")
            time.sleep(random.uniform(*_AGAIN_S))
            bucket.write(claim, content)
        renewal.start()
        yield check
    finally:
        done.set()
        if renewal.ident is not None:
            renewal.join()
        bucket.delete(claim)


def _other(bucket: Bucket, key: str, claim: str) -> str | None:
    """Who else sends the folder, or asks whether it may; claims of the dead are removed."""
    claims = {
        info.path: info
        for info in bucket.files(key, recursive=False)
        if info.path.startswith(f"{key}/{CLAIM}")
    }
    now = _written(claims.pop(claim))
    for path, info in claims.items():
        owner = _owner(bucket, path)
        is_over = (now - _written(info)).total_seconds() >= _OVER_S
        if is_over or (owner is not None and owner.is_gone()):
            bucket.delete(path)
        elif owner is not None or bucket.existing([path]):
            return str(owner or "another process")
    return None


def _owner(bucket: Bucket, path: str) -> Owner | None:
    """Whose claim it is; None: it was taken back, or is of a later version."""
    try:
        return Owner.model_validate(orjson.loads(bucket.read(path)))
    except PassingError:
        raise
    except (WebtextError, orjson.JSONDecodeError, ValidationError):
        return None


def _written(info: FileInfo) -> datetime:
    assert info.mtime is not None  # of an object there always is
    return info.mtime
