"""Twenty times kill -9 in one crawl of 2,000 pages: in the end each page is there once."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from corpus.runtime import Runtime
from corpus.shards import read_rows
from crawler.archive.warc import FETCHED
from crawler.pages.stage import run
from tests.crawler.small_webs import FAST, outcomes_of, write_links, write_web

NUM_KILLS = 20
HOSTS = [f"http://host{number}.example" for number in range(50)]
PAGES = [f"{host}/{page}" for host in HOSTS for page in range(40)]
MOVED = [url for url in PAGES if url.endswith("7")]
MISSING = [f"{host}/missing/{page}" for host in HOSTS for page in range(2)]
WEB = [
    *({"url": url, "status": 301, "location": f"{url}/new"} for url in MOVED),
    *(
        {
            "url": f"{url}/new" if url in MOVED else url,
            "body": random.Random(url).randbytes(400).hex(),
        }
        for url in PAGES
    ),
]
FETCHABLE = [f"{url}/new" if url in MOVED else url for url in PAGES]
EXPECTED = {**dict.fromkeys(PAGES, FETCHED), **dict.fromkeys(MISSING, "http_404")}
SMALL_FILES = FAST.model_copy(update={"archive_file_bytes": 200_000})

# 50 hosts, each asked every 0.4 s: at most 125 pages a second, too few to be done too early.
_RUN = """
import sys
from pathlib import Path
from corpus.runtime import Runtime
from crawler.pages.settings import CrawlConfig
from crawler.pages.stage import run
from tests.crawler.pages.test_kill import SMALL_FILES
root = Path(sys.argv[1])
config = SMALL_FILES.model_copy(update={"per_host_delay_s": 0.4})
run(config, {"links": root / "links", "replay": root / "web"}, root / "pages", Runtime())
"""


@pytest.mark.slow
def test_killed_twenty_times_the_crawl_holds_each_page_once(tmp_path):
    inputs = {
        "links": write_links(tmp_path / "links", [*PAGES, *MISSING]),
        "replay": write_web(tmp_path / "web", WEB),
    }
    rng = random.Random(20)
    for number in range(NUM_KILLS):
        _kill_once(tmp_path, number, rng)
    assert len(list((tmp_path / "pages").glob("pages-*.warc.gz"))) > 1, "no file was finished"

    run(SMALL_FILES, inputs, tmp_path / "pages", Runtime())
    assert outcomes_of(tmp_path / "pages") == EXPECTED
    responses, outcomes = _records(tmp_path / "pages")
    assert {url: responses[url] for url in FETCHABLE} == dict.fromkeys(FETCHABLE, 1)
    assert outcomes == dict.fromkeys(EXPECTED, 1)
    assert not list((tmp_path / "pages").glob(".*.arrow"))
    assert not list((tmp_path / "pages").glob(".*.part"))

    run(FAST, inputs, tmp_path / "undisturbed", Runtime())
    for name in ("pages-00000.arrow", "rejects-00000.arrow"):
        undisturbed = (tmp_path / "undisturbed" / name).read_bytes()
        assert (tmp_path / "pages" / name).read_bytes() == undisturbed
    urls = [row["url"] for row in read_rows(tmp_path / "pages" / "lineage-00000.arrow")]
    assert urls == sorted(PAGES)


def _kill_once(root: Path, number: int, rng: random.Random) -> None:
    """Start the crawl, kill it or its spider at some moment, and see all of it gone."""
    before_bytes = _archived_bytes(root)
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(root)],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=Path(__file__).parents[3],
    )
    deadline = time.monotonic() + 60
    if number % 4:  # after it has settled some more links
        while _archived_bytes(root) <= before_bytes and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.7))
    else:  # at any moment from its start on
        time.sleep(rng.uniform(0.3, 2))
    assert process.poll() is None, "the crawl ended too soon to be killed"
    spiders = _spiders_of(root)
    victim = spiders[0] if spiders and rng.random() < 0.5 else process.pid
    os.kill(victim, signal.SIGKILL)
    assert process.wait(30) != 0
    while _spiders_of(root) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _spiders_of(root), "a spider outlived its parent"


def _archived_bytes(root: Path) -> int:
    # A file is renamed between the listing and the look at it: then the next look counts it.
    sizes = []
    for path in (root / "pages").glob("*.warc.gz*"):
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:
            sizes.append(0)
    return sum(sizes)


def _spiders_of(root: Path) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if "crawler.pages.process" in command and str(root) in command:
            found.append(int(path.parent.name))
    return found


def _records(pages: Path) -> tuple[Counter[str], Counter[str]]:
    """Responses of status 200 and outcomes, per address, in all archive files."""
    responses, outcomes = Counter[str](), Counter[str]()
    for path in pages.glob("*.warc.gz"):
        with path.open("rb") as file:
            for record in ArchiveIterator(file, check_digests="raise"):  # pyright: ignore
                record.content_stream().read()
                url = record.rec_headers.get_header("WARC-Target-URI") or ""
                if record.rec_type == "response":
                    responses[url] += record.http_headers.get_statuscode() == "200"
                elif record.rec_type == "metadata":
                    outcomes[url] += 1
    return responses, outcomes
