"""A corpus of ten shards to take a page from, and the flow that takes it."""

from pathlib import Path

import pytest

from tests.flows.takedown.takedown_corpus import copy_data, make_data


@pytest.fixture(scope="module")
def ten(tmp_path_factory) -> Path:
    """A corpus of 10 shards."""
    return make_data(tmp_path_factory.mktemp("ten") / "data", 40, 10)


@pytest.fixture
def data(ten, tmp_path) -> Path:
    return copy_data(ten, tmp_path / "data")


@pytest.fixture(scope="module")
def mlflow_uri(tmp_path_factory) -> str:
    """One database for all: to make one takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def take_down(prefect_server, mlflow_uri, monkeypatch):
    # Whatever imports prefect must wait for the server's address.
    from flows.take_down import take_down

    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_uri)
    return take_down


@pytest.fixture
def plan(prefect_server):
    from flows.takedown.plan import plan_takedown

    return plan_takedown
