"""What is said where a Ray is not as it should be; all before any task is done."""

import json
import os
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from corpus.errors import PassingError, UsageError, WebtextError

ray = pytest.importorskip("ray")

from ray._common.usage.usage_constants import CLUSTER_METADATA_KEY  # noqa: E402
from ray._private.ray_constants import KV_NAMESPACE_CLUSTER  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

from corpus.ray_runner import RayRunner  # noqa: E402

pytestmark = pytest.mark.slow

ROOT = str(Path(__file__).parents[2])
HEAD = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}

# A machine without our packages, though this one, which is the same, has them.
WITHOUT_WEBTEXT = """
import importlib.abc, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "corpus":
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Missing())
"""

StartRay = Callable[..., str]


@pytest.fixture
def start_ray(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StartRay]:
    """Start a cluster with further variables in its environment; returns its address."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    clusters: list[Cluster] = []

    def start(**environment: str) -> str:
        path = os.pathsep.join([environment.pop("PYTHONPATH", str(tmp_path)), ROOT])
        with monkeypatch.context() as patch:
            for name, value in {**environment, "PYTHONPATH": path}.items():
                patch.setenv(name, value)
            clusters.append(Cluster(initialize_head=True, head_node_args=HEAD))
        return str(clusters[0].address)

    yield start
    for cluster in clusters:
        cluster.shutdown()


def test_a_machine_without_webtext(start_ray, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_WEBTEXT)
    address = start_ray()
    with pytest.raises(WebtextError, match=r"cannot take our tasks.* 'corpus'") as caught:
        RayRunner(tmp_path / "data", workers=1, address=address)
    assert "pip install 'webtext[ray]'" in caught.value.hint


def test_a_machine_with_another_version_of_a_library(start_ray, tmp_path):
    installed = tmp_path / "trafilatura-0.1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: trafilatura\nVersion: 0.1\n")
    said = rf"has other versions.*: trafilatura 0\.1 \(here {version('trafilatura')}\)\n"
    with pytest.raises(UsageError, match=said):
        RayRunner(tmp_path / "data", workers=1, address=start_ray())


def test_a_cluster_of_another_python(start_ray, tmp_path):
    address = start_ray()
    ray.init(address)
    kept = ray._private.worker.global_worker.gcs_client
    known = json.loads(kept.internal_kv_get(CLUSTER_METADATA_KEY, KV_NAMESPACE_CLUSTER))
    known["python_version"] = "3.9.1"
    kept.internal_kv_put(
        CLUSTER_METADATA_KEY, json.dumps(known).encode(), True, KV_NAMESPACE_CLUSTER
    )
    ray.shutdown()
    with pytest.raises(UsageError, match=r"not of our versions.*Python: 3\.9\.1"):
        RayRunner(tmp_path / "data", workers=1, address=address)


def test_a_machine_whose_memory_runs_out(start_ray, tmp_path):
    address = start_ray(RAY_memory_usage_threshold="0.001", RAY_memory_monitor_refresh_ms="100")
    with pytest.raises(PassingError, match="memory ran out in each of 4 tries") as caught:
        RayRunner(tmp_path / "data", workers=1, address=address)
    assert "--num-cpus" in caught.value.hint
