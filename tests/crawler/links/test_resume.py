"""The stage "links" goes on where it stopped, whatever stopped it."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from corpus.errors import WebtextError
from tests.crawler.links.small_dumps import content, random_dumps, run_on, write_dump

_STAGE = """
import sys
from pathlib import Path
from corpus.runtime import Runtime
from crawler.links.stage import run
from crawler.links.submissions import LinksConfig
output, *dumps = map(Path, sys.argv[1:])
if __name__ == "__main__":
    inputs = {f"dump-{n}": dump for n, dump in enumerate(dumps)}
    run(LinksConfig(partitions=2), inputs, output, Runtime(workers=2))
"""


def test_a_run_goes_on_after_a_foreign_file_was_replaced(tmp_path: Path):
    good, bad, *_ = dumps = random_dumps(tmp_path / "dumps", 1)
    whole = bad.read_bytes()
    bad.write_bytes(b"no dump\n")
    with pytest.raises(WebtextError):
        run_on(dumps, tmp_path / "links")
    bad.write_bytes(whole)
    content_of_good, _ = good.read_bytes(), good.write_bytes(b"not read again")
    resumed = run_on(dumps, tmp_path / "links")
    good.write_bytes(content_of_good)
    fresh = run_on(dumps, tmp_path / "fresh")
    assert (resumed.hash, resumed.counts) == (fresh.hash, fresh.counts)


def test_the_links_are_the_same_after_kills_at_any_moment(tmp_path: Path):
    dumps = [
        write_dump(
            tmp_path / f"RS_{part}",
            *({"id": f"{part}{n}", "url": f"http://d{n % 97}.com/{n}"} for n in range(6_000)),
        )
        for part in range(3)
    ]
    fresh = run_on(dumps, tmp_path / "fresh", partitions=2)
    script = tmp_path / "stage.py"
    script.write_text(_STAGE)
    command = [sys.executable, str(script), str(tmp_path / "links"), *map(str, dumps)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    rng, num_killed = random.Random(3), 0
    for _ in range(4):
        with subprocess.Popen(command, env=environment, start_new_session=True) as process:
            while process.poll() is None and not list((tmp_path / "links").glob(".work/.source*")):
                time.sleep(0.01)
            time.sleep(rng.uniform(0.2, 1.2))
            num_killed += process.poll() is None
            os.killpg(process.pid, signal.SIGKILL)
    resumed = run_on(dumps, tmp_path / "links", partitions=2)
    assert num_killed > 0
    assert (resumed.hash, resumed.counts) == (fresh.hash, fresh.counts)
    assert content(tmp_path / "links") == content(tmp_path / "fresh")
