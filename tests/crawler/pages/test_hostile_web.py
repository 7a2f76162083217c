"""One crawl of a web that does everything to stop it."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from warcio.archiveiterator import ArchiveIterator

from corpus.runtime import Runtime
from crawler.pages.stage import run
from tests.crawler.pages.hostile_answers import BEHAVIOURS, MB, http, redirect
from tests.crawler.pages.hostile_web import Behaviour, serve
from tests.crawler.small_webs import FAST, outcomes_of, write_links

CONFIG = FAST.model_copy(
    update={"contact": "test@example.org", "allow_private": True, "timeout_s": 6, "retries": 0}
)


class Crawled:
    """What one crawl of the hostile web came to."""

    def __init__(self, folder: Path) -> None:
        self.pages = folder / "pages"
        with serve(BEHAVIOURS) as self.web, _peak_memory(folder) as self.peak_bytes:
            self.urls = self.web.urls
            links = write_links(folder / "links", list(self.urls.values()))
            self.manifest = run(CONFIG, {"links": links}, self.pages, Runtime())
        self.settled = _settled(self.pages)


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Crawled:
    return Crawled(tmp_path_factory.mktemp("hostile"))


def test_every_link_gets_the_one_outcome_it_deserves(crawled: Crawled):
    assert len(BEHAVIOURS) >= 40
    found = outcomes_of(crawled.pages)
    wrong = {
        name: found.get(crawled.urls[name])
        for name, behaviour in BEHAVIOURS.items()
        if found.get(crawled.urls[name]) not in behaviour.outcome.split("|")
    }
    assert not wrong
    assert set(found) == set(crawled.urls.values())


def test_each_outcome_says_what_was_wrong(crawled: Crawled):
    wrong = {
        name: crawled.settled[crawled.urls[name]]
        for name, behaviour in BEHAVIOURS.items()
        if behaviour.detail not in {None, crawled.settled[crawled.urls[name]][1]}
    }
    assert not wrong


def test_nothing_vanishes_and_the_crawling_process_complains_of_nothing(crawled: Crawled):
    counts = crawled.manifest.counts
    assert counts.incoming == len(BEHAVIOURS) == counts.out + sum(counts.rejects.values())
    assert "crawl_error" not in counts.rejects
    logs = [path.read_text() for path in sorted(crawled.pages.glob("*.log"))]
    assert logs
    assert not any("Traceback" in log or "ERROR" in log for log in logs)


def test_memory_stays_bounded(crawled: Crawled):
    assert 10 * MB < crawled.peak_bytes[0] < 400 * MB


def test_what_never_ends_is_cut_off(crawled: Crawled):
    # What the kernels on both sides hold back comes on top of what the crawler read.
    most = {name: sent for name, sent in crawled.web.bytes_sent.items() if sent > 11 * MB}
    assert not most


def test_the_archive_of_all_that_is_read_by_another_tool(crawled: Crawled):
    archived = set()
    for path in sorted(crawled.pages.glob("*.warc.gz")):
        with path.open("rb") as file:
            for record in ArchiveIterator(file, check_digests="raise"):  # pyright: ignore
                record.raw_stream.read()
                if record.rec_type == "response":
                    archived.add(record.rec_headers.get_header("WARC-Target-URI"))
    fetched = {url for url, outcome in outcomes_of(crawled.pages).items() if outcome == "fetched"}
    followed = {crawled.urls["short chain"]}
    assert fetched - followed <= archived


_PUBLIC_127_0_1 = """
from crawler.pages import safety
is_public = safety.is_public
safety.is_public = lambda address: address.startswith("127.0.1.") or is_public(address)
"""


def test_no_redirect_reaches_a_private_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The servers' own addresses pass for public ones, in the crawling process only.
    (tmp_path / "sitecustomize.py").write_text(_PUBLIC_127_0_1)
    root = Path(__file__).parents[3]
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{root}")
    with _private_server() as private:
        port = private.getsockname()[1]
        targets = [f"http://{host}:{port}/secret" for host in _PRIVATE_HOSTS]
        behaviours = {target: Behaviour(outcome="", answer=redirect(target)) for target in targets}
        config = CONFIG.model_copy(update={"allow_private": False})
        with serve({**behaviours, "none": Behaviour(outcome="", answer=http())}) as web:
            links = write_links(tmp_path / "links", list(web.urls.values()))
            run(config, {"links": links}, tmp_path / "pages", Runtime())
        found = outcomes_of(tmp_path / "pages")
        assert found[web.urls["none"]] == "fetched"
        refused = {target: found[web.urls[target]] for target in targets}
        # Names and spellings that the rules for links refuse do not get as far as an address.
        assert set(refused.values()) <= {"private_address", "bad_redirect"}, refused
        assert refused[f"http://127.0.0.1:{port}/secret"] == "private_address"
        private.settimeout(0.1)
        with pytest.raises(TimeoutError):
            private.accept()


def _private_server() -> socket.socket:
    """Listens on the loopback of both families, where this machine has both."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("127.0.0.1", 0))


_PRIVATE_HOSTS = [
    *("127.0.0.1", "169.254.169.254", "10.0.0.1", "192.168.1.1", "100.64.0.1", "0.0.0.0"),
    *("[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"),
    *("2130706433", "0x7f000001", "017700000001", "0x7f.1", "127.1", "localhost", "a.localhost"),
    socket.gethostname(),
]


def _settled(pages: Path) -> dict[str, tuple[str, str]]:
    """url -> its outcome and detail, of pages that were fetched too: from the archive."""
    settled = {}
    for path in sorted(pages.glob("*.warc.gz")):
        with path.open("rb") as file:
            for record in ArchiveIterator(file):
                if record.rec_type == "metadata":
                    fields = orjson.loads(record.content_stream().read())
                    settled[fields["url"]] = (fields["outcome"], fields["detail"])
    return settled


@contextmanager
def _peak_memory(folder: Path) -> Iterator[list[int]]:
    """The highest resident size that the spiders of a crawl under `folder` had, in bytes."""
    peak, is_over = [0], threading.Event()

    def watch() -> None:
        while not is_over.wait(0.1):
            for process in Path("/proc").glob("[0-9]*"):
                peak[0] = max(peak[0], _resident_peak(process, str(folder)))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        is_over.set()
        thread.join()


def _resident_peak(process: Path, folder: str) -> int:
    try:
        command = (process / "cmdline").read_bytes().decode(errors="replace")
        if "crawler.pages.process" not in command or folder not in command:
            return 0
        for line in (process / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # it has ended
    return 0
