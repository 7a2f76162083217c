"""One stack for the tests of this folder that one process runs."""

from collections.abc import Iterator

import pytest

from tests.stack.native_stack import NativeStack, find_program, native_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeStack]:
    """PostgreSQL, S3, Prefect and MLflow."""
    if find_program("postgres") is None:
        pytest.skip("no PostgreSQL on this machine: apt-get install postgresql")
    with native_stack(tmp_path_factory.mktemp("stack")) as started:
        yield started
