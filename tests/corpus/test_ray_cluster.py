"""A cluster of two machines, both of them on this one, that loses one at work."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.corpus.ray_tasks import PATIENCE_S, note_and_wait, tries_of, wait_until

ray = pytest.importorskip("ray")

from ray.cluster_utils import Cluster  # noqa: E402

from corpus.ray_runner import RayRunner  # noqa: E402

ROOT = str(Path(__file__).parents[2])


@pytest.mark.slow
def test_the_tasks_of_a_lost_machine_are_done_by_the_others(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", ROOT)
    head = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        second = cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        with RayRunner(tmp_path, workers=1) as runner, ThreadPoolExecutor(1) as thread:
            assert runner.num_workers == 2
            tasks = [(tmp_path, number) for number in range(2)]
            done = thread.submit(list, runner.map(note_and_wait, tasks))
            wait_until(lambda: tries_of(tmp_path, 0) and tries_of(tmp_path, 1), "both at work")
            nodes = {tries_of(tmp_path, number)[0][1]: number for number in range(2)}
            lost, kept = nodes[second.node_id], 1 - nodes[second.node_id]
            cluster.remove_node(second, allow_graceful=False)
            wait_until(lambda: runner.num_workers == 1, "the machine's loss noticed")
            (tmp_path / "go").touch()
            assert sorted(done.result(PATIENCE_S)) == [0, 1]
            assert len(tries_of(tmp_path, lost)) == 2
            assert tries_of(tmp_path, lost)[1][1] == tries_of(tmp_path, kept)[0][1]
    finally:
        cluster.shutdown()
