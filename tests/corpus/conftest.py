"""An S3 server on loopback for the tests of a data folder in a bucket."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.corpus.s3_server import KEYS, make_bucket, s3_server


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """The address of the server."""
    with s3_server() as url:
        yield url


@pytest.fixture
def bucket(s3_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A new bucket, in an environment that leads to it and to an empty cache."""
    name = f"b{uuid.uuid4().hex[:12]}"
    make_bucket(s3_url, name)
    for key, value in KEYS.items():
        monkeypatch.setenv(key, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_url)
    monkeypatch.setenv("WEBTEXT_CACHE", str(tmp_path / "cache"))
    return name
