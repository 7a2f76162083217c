"""What two flows must not use at once, the server gives to one at a time."""

import pytest

from flows.limit_use import free_all, occupied, partition_limits

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture
def client(prefect_server):
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        yield client


def slots(client) -> dict[str, int]:
    limits = client.read_global_concurrency_limits(limit=200)
    return {limit.name: limit.active_slots for limit in limits if limit.name.endswith("-of-2")}


def test_partitions_are_used_by_one_flow_at_a_time(client, monkeypatch: pytest.MonkeyPatch):
    names = partition_limits(2)
    with occupied(names):  # a command's
        assert slots(client) == {}
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "d")
    with occupied(names):
        assert slots(client) == dict.fromkeys(names, 1)
    assert slots(client) == dict.fromkeys(names, 0)
    with occupied(names):
        free_all(client)
        assert slots(client) == dict.fromkeys(names, 0)
