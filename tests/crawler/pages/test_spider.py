"""The crawling process: on the real network path (against the loopback), and stopped midway."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
from warcio.archiveiterator import ArchiveIterator

from corpus.runtime import Runtime
from corpus.shards import read_rows
from crawler.archive.warc import iterate_outcomes
from crawler.pages.safety import is_public
from crawler.pages.stage import run
from tests.crawler.small_webs import (
    FAST,
    outcomes_of,
    pages_of,
    rejects_of,
    write_links,
    write_web,
)


class _Pages(BaseHTTPRequestHandler):
    """/busy is 503 the first time; robots.txt asks for a third of a second between requests."""

    times_s: ClassVar[list[tuple[str, float]]] = []

    def do_GET(self):
        is_first = self.path not in dict(self.times_s)
        self.times_s.append((self.path, time.monotonic()))
        if self.path == "/slow":
            time.sleep(2)
        self.send_response({"/away": 302, "/busy": 503 if is_first else 200}.get(self.path, 200))
        if self.path == "/away":
            self.send_header("Location", "http://localhost:9/private")
        self.send_header("Retry-After", "1")
        self.send_header("Content-Type", "text/html")
        robots = b"User-agent: *\nDisallow: /no\nCrawl-delay: 0.3"
        body = robots if self.path == "/robots.txt" else b"<p>local</p>"
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):  # noqa: A002
        pass


@pytest.fixture
def loopback():
    _Pages.times_s.clear()
    with ThreadingHTTPServer(("0.0.0.0", 0), _Pages) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def _own_name() -> list[str]:
    """This machine's name, if it stands for a private address: only a look-up tells."""
    try:
        return (
            [] if is_public(socket.gethostbyname(socket.gethostname())) else [socket.gethostname()]
        )
    except OSError:
        return []


def test_no_request_reaches_a_private_server(loopback, tmp_path):
    hosts = ["127.0.0.1", "localhost", "2130706433", "[::1]", *_own_name()]
    urls = [f"http://{host}:{loopback}/" for host in hosts]
    config = FAST.model_copy(update={"contact": "test@example.org"})
    run(config, {"links": write_links(tmp_path / "l", urls)}, tmp_path / "pages", Runtime())
    assert outcomes_of(tmp_path / "pages") == dict.fromkeys(urls, "private_address")
    assert not _Pages.times_s


def test_a_crawl_allowed_into_a_private_network_leaves_a_host_alone_for_as_long_as_it_asks(
    loopback, tmp_path
):
    urls = [
        f"http://127.0.0.1:{loopback}/{page}" for page in ("a", "b", "busy", "no", "away", "slow")
    ]
    config = FAST.model_copy(
        update={"contact": "test@example.org", "allow_private": True, "timeout_s": 1}
    )
    run(config, {"links": write_links(tmp_path / "l", urls)}, tmp_path / "pages", Runtime())
    wanted = [*["fetched"] * 3, "robots_denied", "bad_redirect", "timeout"]
    assert outcomes_of(tmp_path / "pages") == dict(zip(urls, wanted, strict=True))

    paths, times_s = zip(*_Pages.times_s, strict=True)
    twice = ["/busy", "/slow"]
    files = ["/robots.txt", "/.well-known/tdmrep.json"]
    assert sorted(paths) == sorted(["/a", "/away", "/b", *files, *twice, *twice])
    gaps_s = [late - early for early, late in pairwise(times_s)]
    assert min(gaps_s[1:]) > 0.25, "Crawl-delay"
    assert gaps_s[paths.index("/busy")] > 0.9, "Retry-After"


def test_a_host_that_only_fails_is_given_up_and_its_other_links_cost_it_nothing(tmp_path):
    asked = []

    class Broken(_Pages):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404 if self.path == "/robots.txt" else 503)

    with ThreadingHTTPServer(("127.0.0.1", 0), Broken) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_address[1]}"
        links = write_links(tmp_path / "l", [f"{base}/{n:02d}" for n in range(30)])
        config = FAST.model_copy(
            update={
                "contact": "test@example.org",
                "allow_private": True,
                "obey_opt_outs": False,
                "max_host_failures": 5,
                "pause_s": 0.01,
            }
        )
        run(config, {"links": links}, tmp_path / "pages", Runtime())
        server.shutdown()
    outcomes = Counter(outcomes_of(tmp_path / "pages").values())
    assert outcomes == {"http_503": 2, "host_unavailable": 28}
    assert len(asked) == 1 + 5  # robots.txt, two tries for two links each, one for a third
    reasons = {row["detail"] for path in rejects_of(tmp_path / "pages") for row in read_rows(path)}
    assert "http_503" in reasons


_BUGS = """
from crawler.pages import outcomes, spider

of_response, parse = outcomes.of_response, spider.LinkSpider.parse

def of_response_or_boom(response, *arguments, **options):
    return of_response(response, *arguments, **options) if "boom" not in response.url else {}["x"]

def parse_or_forget(self, response):
    return parse(self, response) if "forgotten" not in response.url else None

outcomes.of_response, spider.LinkSpider.parse = of_response_or_boom, parse_or_forget
"""


def test_a_bug_costs_the_links_it_meets_and_not_the_crawl(tmp_path, monkeypatch):
    root = Path(__file__).parents[3]
    (tmp_path / "sitecustomize.py").write_text(_BUGS)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{root}")
    urls = [f"http://host.example/{page}" for page in ("boom", "forgotten/1", "forgotten/2", "ok")]
    web = write_web(tmp_path / "web", [{"url": url, "body": "<p>page</p>"} for url in urls])
    links = write_links(tmp_path / "l", urls)
    run(FAST, {"links": links, "replay": web}, tmp_path / "pages", Runtime())
    wanted = {**dict.fromkeys(urls, "crawl_error"), urls[3]: "fetched"}
    assert outcomes_of(tmp_path / "pages") == wanted


_RUN = """
import sys
from pathlib import Path
from corpus.runtime import Runtime
from corpus.shards import read_rows
from crawler.pages.settings import CrawlConfig
from crawler.pages.stage import run
root = Path(sys.argv[1])
config = CrawlConfig(per_host_delay_s=0.1)
run(config, {"links": root / "links", "replay": root / "web"}, root / "pages", Runtime(workers=2))
"""


@pytest.mark.slow
def test_a_crawl_killed_and_interrupted_ends_with_the_same_bytes_and_fetches_nothing_again(
    tmp_path,
):
    hosts = [f"host{n}.example" for n in range(6)]
    urls = [f"http://{host}/{page}" for page in range(40) for host in hosts]
    links = write_links(tmp_path / "links", urls[:120], urls[120:])
    table = [{"url": url, "body": f"<p>{url}</p>"} for url in urls if not url.endswith("7")]
    web = write_web(tmp_path / "web", table)
    _stop_midway(tmp_path, signal.SIGKILL)
    _stop_midway(tmp_path, signal.SIGINT)
    settled = _settled(tmp_path / "pages")
    responses = _responses(tmp_path / "pages")
    assert 0 < len(settled) < len(urls)

    run(FAST, {"links": links, "replay": web}, tmp_path / "pages", Runtime(workers=2))
    run(FAST, {"links": links, "replay": web}, tmp_path / "undisturbed", Runtime(workers=2))
    for path in pages_of(tmp_path / "undisturbed") + rejects_of(tmp_path / "undisturbed"):
        assert path.read_bytes() == (tmp_path / "pages" / path.name).read_bytes()
    after = _responses(tmp_path / "pages")
    assert all(after[url] == responses[url] for url in settled)


def test_a_full_disk_is_said_so_and_held_against_no_link(tmp_path):
    urls = [f"http://host.example/{n}" for n in range(40)]
    table = [{"url": url, "body": random.Random(url).randbytes(9000).hex()} for url in urls]
    write_links(tmp_path / "links", urls)
    write_web(tmp_path / "web", table)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    result = subprocess.run(
        [sys.executable, "-c", limit + _RUN, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "cannot write the archive: [Errno 27] File too large" in result.stderr
    assert 0 < len(_settled(tmp_path / "pages")) < len(urls)
    inputs = {"links": tmp_path / "links", "replay": tmp_path / "web"}
    run(FAST, inputs, tmp_path / "pages", Runtime())
    assert outcomes_of(tmp_path / "pages") == dict.fromkeys(urls, "fetched")


def _stop_midway(root: Path, signal_number: int) -> None:
    """Start the crawl, let it settle some more links, end it, and see its children gone."""
    before = len(_settled(root / "pages"))
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(root)],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # Run in the background of a script, we ignore SIGINT, and our children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while len(_settled(root / "pages")) < before + 30 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert process.poll() is None, "the crawl ended too soon to be stopped midway"
    process.send_signal(signal_number)
    assert process.wait(15) != 0
    while _spiders_of(root) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _spiders_of(root), "a spider outlived its parent"


def _archives(pages: Path) -> list[Path]:
    return sorted(pages.glob("*pages-*.warc.gz*")) + sorted(pages.glob(".pages-*.warc.gz*"))


def _settled(pages: Path) -> set[str]:
    return {outcome.url for path in set(_archives(pages)) for outcome in iterate_outcomes(path)}


def _responses(pages: Path) -> Counter[str]:
    """Responses per URL in the archives, up to where one is cut."""
    seen: Counter[str] = Counter()
    for path in set(_archives(pages)):
        with path.open("rb") as file:
            for record in ArchiveIterator(file):
                if record.rec_type == "response":
                    seen[record.rec_headers.get_header("WARC-Target-URI")] += 1
    return seen


def _spiders_of(root: Path) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if "crawler.pages.process" in command and str(root) in command:
            found.append(command)
    return found
