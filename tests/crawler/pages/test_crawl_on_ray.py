"""A crawl by workers of Ray, each with its own replay: one is killed, no page is blamed for it."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from corpus.runtime import Runtime
from crawler.archive.warc import FETCHED
from crawler.pages.stage import run
from tests.corpus.ray_tasks import PATIENCE_S, wait_until
from tests.crawler.small_webs import FAST, outcomes_of, write_links, write_web

pytest.importorskip("ray")

from corpus.ray_runner import RayRunner

PAGES = [f"http://host{host}.example/{page}" for host in range(10) for page in range(40)]
# 5 hosts a partition, each asked every 0.2 s: 8 s.
SLOW = FAST.model_copy(update={"per_host_delay_s": 0.2})


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def spider_of(pages: Path, index: int) -> int | None:
    """The process that crawls a partition."""
    job = str(pages / f".job-{index:05d}.json").encode()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if job in path.read_bytes():
                return int(path.parent.name)
        except OSError:
            continue
    return None


@pytest.mark.slow
def test_a_killed_worker_s_partition_is_crawled_on(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    web = [{"url": url, "body": f"<p>{url}"} for url in PAGES]
    inputs = {
        "links": write_links(tmp_path / "links", PAGES[:200], PAGES[200:]),
        "replay": write_web(tmp_path / "web", web),
    }
    pages = tmp_path / "pages"
    with RayRunner(tmp_path, workers=2) as runner, ThreadPoolExecutor(1) as thread:
        done = thread.submit(run, SLOW, inputs, pages, Runtime(workers=2, runner=runner))
        wait_until(lambda: list(pages.glob(".state-00001.json")), "a crawl that says how far it is")
        first = spider_of(pages, 1)
        assert first is not None
        os.kill(parent_of(first), signal.SIGKILL)
        wait_until(lambda: spider_of(pages, 1) not in (None, first), "another try")
        manifest = done.result(PATIENCE_S)
    assert outcomes_of(pages) == dict.fromkeys(PAGES, FETCHED)
    assert not list(pages.glob(".state-*"))
    run(FAST, inputs, tmp_path / "undisturbed", Runtime())
    for name in ("pages-00000.arrow", "pages-00001.arrow"):
        assert (pages / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()
    assert manifest.counts.out == len(PAGES)
