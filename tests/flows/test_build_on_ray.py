"""`webtext build --runner ray` makes the bytes of the process runner, also when workers die."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.corpora.catalog import finished
from tests.corpus.ray_tasks import wait_until

pytest.importorskip("ray")

STAGES = ("web", "links", "pages", "documents", "unique", "tokens", "ngrams")
SMALL = (
    *("--set", "web.num_pages=150", "--set", "web.num_hosts=8"),
    *("--set", "extract.pages_per_shard=40", "--set", "tokens.vocab_size=1000"),
)
# So that the crawl takes long enough to be killed in the middle.
SLOW_CRAWL = ("--set", "crawl.per_host_delay_s=0.2", "--set", "crawl.per_host_concurrency=1")


def start_build(data: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "flows", "build", "demo", "--data", str(data), *SMALL]
    return subprocess.Popen(
        [*command, "--workers", "2", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={k: v for k, v in os.environ.items() if k not in {"PREFECT_API_URL", "RAY_ADDRESS"}},
    )


def parents() -> Iterator[tuple[int, int]]:
    """Each process and its parent."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            yield int(path.parent.name), int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue


def descendants(pid: int) -> set[int]:
    known, found = dict(parents()), {pid}
    while more := {child for child, parent in known.items() if parent in found} - found:
        found |= more
    return found


def workers_at_work(pid: int) -> list[int]:
    """Workers of the Ray of a process that do a task now."""
    found = []
    for child in descendants(pid):
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        if command.startswith(b"ray::_run"):
            found.append(child)
    return found


def hashes(data: Path) -> dict[str, str]:
    return {stage: finished(data, stage)[-1][1].hash for stage in STAGES}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_two_workers_killed_by_signal_nine_change_no_byte(tmp_path):
    alone = start_build(tmp_path / "alone")
    out, err = alone.communicate(timeout=200)
    assert alone.returncode == 0, out + err

    on_ray = start_build(tmp_path / "on_ray", "--runner", "ray", *SLOW_CRAWL)
    for begun in ("pages/*/.state-*.json", "documents/*"):
        wait_until(lambda begun=begun: list((tmp_path / "on_ray").glob(begun)), begun)
        wait_until(lambda: workers_at_work(on_ray.pid), "a worker at work")
        os.kill(workers_at_work(on_ray.pid)[0], signal.SIGKILL)
    family = descendants(on_ray.pid)
    out, err = on_ray.communicate(timeout=200)
    assert on_ray.returncode == 0, out + err
    assert err == ""
    assert hashes(tmp_path / "on_ray") == hashes(tmp_path / "alone")
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family), "all gone")
