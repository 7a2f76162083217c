"""A build that starts in the middle of a takedown gives way; what was asked for goes everywhere."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from corpus.errors import WebtextError
from corpus.manifest import Manifest
from corpus.settings import Section
from corpus.stage import StageWriter
from corpus.takedown.withdrawn import withdraw
from corpus.tokenizer import Tokenizer
from flows.corpora.catalog import finished
from flows.run_stage import Stage, run_stage
from tests.crawler.documents.small_pages import page, write_archive
from tests.flows.takedown.takedown_corpus import files_with
from tests.flows.test_contamination import NUM_PAGES, SETTINGS, article
from tests.processes import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SECRETS = [f"The herons of Zanzibar keep ledger {n} under the third stair." for n in range(2)]
URLS = ["http://a3.com/", "http://a7.com/"]
BUILD = ("build", "webtext", "--set", 'archives.files=["pages.warc.gz"]', *SETTINGS)
# Other tokens than those that are there: of the documents that are there.
OTHER = ("--set", "tokens.vocab_size=290")


DYING = """
import os, signal
import corpus.takedown.withdrawn as withdrawn
withdrawn.withdraw = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from flows.__main__ import main
main()
"""


def start(folder: Path, *arguments: str, code: str = "") -> subprocess.Popen[str]:
    program = ["-c", code] if code else ["-m", "flows"]
    return subprocess.Popen(
        [sys.executable, *program, *arguments],
        cwd=folder,
        env={key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    said, _ = process.communicate(timeout=300)
    assert "Traceback" not in said, said
    return process.returncode, said


def check_gone(data: Path, secret: str) -> None:
    for tokens, _ in finished(data, "tokens"):
        assert files_with(tokens, secret, Tokenizer.load(tokens / "tokenizer")) == set()
    assert files_with(data, secret) == set()


def test_a_build_in_the_middle_of_a_takedown_gives_way(tmp_path: Path):
    data = tmp_path / "data"
    bodies = {f"http://a{n}.com/": page(*article(n)) for n in range(NUM_PAGES)}
    for url, secret in zip(URLS, SECRETS, strict=True):
        bodies[url] = page(*article(100), secret)
    write_archive(tmp_path / "pages.warc.gz", sorted(bodies), bodies, frozenset())
    assert end(start(tmp_path, *BUILD))[0] == 0

    takedown = start(tmp_path, "corpus", "takedown", URLS[0], "--yes")
    try:
        wait_until(lambda: (data / "takedown.txt").is_file(), 60)
        takedown.send_signal(signal.SIGSTOP)
        exit_code, said = end(start(tmp_path, *BUILD, *OTHER))
        assert (exit_code, "a takedown is at work" in said) == (1, True), said
        takedown.send_signal(signal.SIGCONT)
        assert end(takedown)[0] == 0
    finally:
        takedown.kill()
    assert end(start(tmp_path, *BUILD, *OTHER))[0] == 0
    check_gone(data, SECRETS[0])

    dying = start(tmp_path, "corpus", "takedown", URLS[1], "--yes", code=DYING)
    assert end(dying)[0] == -signal.SIGKILL
    exit_code, said = end(start(tmp_path, *BUILD, "--set", "tokens.vocab_size=280"))
    assert (exit_code, "did not end" in said) == (1, True), said
    assert end(start(tmp_path, "corpus", "takedown", "--yes"))[0] == 0
    assert end(start(tmp_path, *BUILD, *OTHER))[0] == 0
    for secret in SECRETS:
        check_gone(data, secret)


def never(*_: object) -> Manifest:
    raise AssertionError("it ran")


def test_a_build_whose_next_input_was_taken_down_says_so(tmp_path: Path):
    folder = tmp_path / "data" / "documents" / "d"
    StageWriter("documents", Section(), {}, folder).finish(0)
    withdraw(folder, None)
    with pytest.raises(WebtextError, match="was withdrawn by a takedown"):
        run_stage.fn(Stage("unique", never), Section(), {"documents": folder}, tmp_path / "data")
