"""kill -9 of the demo at any stage: the same command again ends with the same bytes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from corpus.stage import data_shards
from flows.corpora.catalog import finished
from flows.corpora.summary import corpus_hash

STAGES = ("web", "links", "pages", "documents", "unique", "tokens", "overlap", "runs", "scores")

SMALL = [
    *("--set", "web.num_pages=150", "--set", "web.num_hosts=8"),
    *("--set", "extract.pages_per_shard=40"),
    *("--set", "tokens.vocab_size=1000"),
    *("--set", "train.steps=30", "--set", "train.checkpoint_every=5"),
    *("--set", "sample.max_new_tokens=20"),
]


def start_demo(data: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "flows", "demo", "--data", str(data), *SMALL],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"},
    )


def finish_demo(data: Path) -> str:
    process = start_demo(data)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output.decode()
    return output.decode()


def kill_in(stage: str, data: Path) -> bool:
    """Start the demo, kill -9 it once `stage` is at work; whether it was still at work."""
    process = start_demo(data)
    try:
        while process.poll() is None:
            begun = list((data / stage).glob("*/*")) if (data / stage).is_dir() else []
            if begun:
                break
            time.sleep(0.005)
        was_running = process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    finally:
        process.kill()
        assert process.stdout is not None
        process.stdout.close()
    return was_running and not finished(data, stage)


def token_bytes(data: Path) -> dict[str, bytes]:
    (tokens, _) = finished(data, "tokens")[-1]
    return {path.name: path.read_bytes() for path in data_shards(tokens)}


def processes_of(data: Path) -> list[str]:
    """Command lines of the processes that work in `data`, by their environment or arguments."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            environment = (folder / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(data) in command or str(data) in environment:
            found.append(command)
    return found


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_demo_killed_in_every_stage_ends_with_the_same_bytes(tmp_path: Path):
    finish_demo(tmp_path / "undisturbed")
    killed = tmp_path / "killed"
    in_the_act = {stage for stage in STAGES if kill_in(stage, killed)}
    assert len(in_the_act) >= 6, f"only {in_the_act} were caught at work: the test is too late"
    deadline = time.monotonic() + 15
    while processes_of(killed) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert processes_of(killed) == []

    finish_demo(killed)

    (expected, _), (tokens, _) = (
        finished(data, "tokens")[-1] for data in (tmp_path / "undisturbed", killed)
    )
    assert corpus_hash(tokens) == corpus_hash(expected)
    assert token_bytes(killed) == token_bytes(tmp_path / "undisturbed")
    # Not promised between machines, but on one: the weights too.
    runs = [finished(data, "runs")[-1][1].hash for data in (tmp_path / "undisturbed", killed)]
    assert runs[0] == runs[1]
    assert finish_demo(killed).count("done before") == len(STAGES) + 1  # samples
