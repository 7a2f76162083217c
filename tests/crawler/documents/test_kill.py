"""Kill -9 at random moments, with another number of workers each time: the same bytes."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from corpus.runtime import Runtime
from crawler.documents.stage import ExtractConfig, run
from tests.crawler.documents.small_pages import SENTENCES, page, write_stages
from tests.processes import descendants_of, is_running, wait_until

NUM_KILLS = 8
PAGES = {
    f"http://a.com/{n:04d}": page(f"Page {n} begins.", *(SENTENCES * (1 + n % 40)))
    for n in range(1500)
}
CONFIG = ExtractConfig(pages_per_shard=25)

_RUN = """
import sys
from pathlib import Path
from corpus.runtime import Runtime
from crawler.documents.stage import run
from tests.crawler.documents.test_kill import CONFIG
root, workers = Path(sys.argv[1]), int(sys.argv[2])
inputs = {"links": root / "links", "pages": root / "pages"}
run(CONFIG, inputs, root / "documents", Runtime(workers=workers))
"""


@pytest.mark.slow
def test_killed_again_and_again_the_stage_makes_the_same_bytes(tmp_path: Path):
    inputs = write_stages(tmp_path, PAGES)
    rng = random.Random(8)
    done = [0]
    for _ in range(NUM_KILLS):
        kill_once(tmp_path, rng)
        done.append(len(list((tmp_path / "documents").glob("documents-*.arrow"))))
    assert done == sorted(done), "a finished shard was lost"
    assert 0 < done[-1] < len(PAGES) // CONFIG.pages_per_shard, "no kill was in the middle"
    assert not (tmp_path / "documents" / "manifest.json").exists()

    run(CONFIG, inputs, tmp_path / "documents", Runtime(workers=3))
    run(CONFIG, inputs, tmp_path / "undisturbed", Runtime(workers=1))
    assert contents(tmp_path / "documents") == contents(tmp_path / "undisturbed")


def kill_once(root: Path, rng: random.Random) -> None:
    """Start the stage with some workers, kill it or one that it started, see all of it end."""
    shards = root / "documents"
    before = len(list(shards.glob("documents-*.arrow")))
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(root), str(rng.randint(1, 3))],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=Path(__file__).parents[3],
    )
    wait_until(lambda: len(list(shards.glob("documents-*.arrow"))) > before)
    time.sleep(rng.uniform(0, 0.3))
    assert process.poll() is None, "the stage ended too soon to be killed"
    started = descendants_of(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
    wait_until(lambda: not any(is_running(each) for each in started))


def contents(folder: Path) -> dict[str, str]:
    """The digest of each file, but for the manifest, which says when it was made."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name != "manifest.json"
    }
