"""A server of benchmark files."""

from collections.abc import Iterator

import pytest

from tests.corpus.benchmarks.publisher import Publisher, serving


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with serving() as given:
        yield given
