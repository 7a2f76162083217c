"""Where a Ray cluster is, asked without Ray: wrong addresses are named at once."""

import socket

import pytest

from corpus.errors import PassingError, UsageError
from corpus.ray_address import cluster_address


@pytest.fixture(autouse=True)
def no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def test_without_an_address_there_is_none():
    assert cluster_address() == ""


def test_what_is_given_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
        assert cluster_address(address) == address
        monkeypatch.setenv("RAY_ADDRESS", address)
        assert cluster_address() == address


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nowhere.invalid:6379"])
def test_a_place_where_nothing_listens_is_named(address: str):
    with pytest.raises(PassingError, match=f"nothing listens at {address}") as caught:
        cluster_address(address)
    assert "ray start --head" in caught.value.hint


@pytest.mark.parametrize(
    "address", ["head", "ray://head:10001", "head:port", ":6379", "head:70000"]
)
def test_what_is_no_host_and_port_is_wrong_usage(address: str):
    with pytest.raises(UsageError, match="is not HOST:PORT"):
        cluster_address(address)
