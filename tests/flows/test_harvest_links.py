"""`webtext harvest`: a round, rounds until Ctrl-C, and errors that say what to do."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from crawler.reddit.store import open_store
from tests.crawler.reddit.reddit_stub import (
    CLIENT_SECRET,
    Fault,
    RedditStub,
    point_praw_to,
    serve_reddit,
)
from tests.crawler.reddit.t3_things import link

CONTACT = ("--set", "harvest.contact=u/tester")
NEW = "/r/all/new"


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedditStub]:
    with serve_reddit() as reddit:
        reddit.add(*(link(f"old{n}", created_utc=1_500_000_000.0 + n) for n in range(3)))
        reddit.add(*(link(f"new{n}", created_utc=time.time() - n) for n in range(2)))
        point_praw_to(reddit, monkeypatch, tmp_path / "config")
        yield reddit


def test_a_round_says_what_it_found_and_where_it_lies(webtext, stub: RedditStub):
    outcome = webtext("harvest", "webtext", *CONTACT)
    assert outcome.exit_code == 0, outcome.err
    assert "harvest: 5 seen, 5 new; 3 kept; 2 held; 3 requests" in outcome.out
    assert outcome.out.splitlines()[-1] == "harvest: data/reddit"
    with open_store(Path("data/reddit")) as store:
        assert store.num_held() == 2
    assert "0 new; 0 kept; 2 held" in webtext("harvest", "webtext", *CONTACT).out


def test_a_round_is_recorded_as_an_artifact_of_its_flow(
    webtext, stub: RedditStub, prefect_server: str
):
    webtext("harvest", "webtext", *CONTACT)
    with urllib.request.urlopen(f"{prefect_server}/artifacts/harvest/latest") as answer:
        artifact = json.load(answer)
    assert artifact["description"].startswith("5 seen, 5 new")
    assert {"what": "kept", "value": 3} in json.loads(artifact["data"])


def test_a_problem_is_a_warning(webtext, stub: RedditStub):
    stub.fail("/r/closed/new", Fault(403))
    subreddits = ("--set", 'harvest.subreddits=["closed", "all"]')
    outcome = webtext("harvest", "webtext", *CONTACT, *subreddits)
    assert outcome.exit_code == 0
    assert "Warning: r/closed cannot be read" in outcome.out


def test_the_contact_of_the_crawl_will_do(webtext, stub: RedditStub):
    assert webtext("harvest", "webtext", "--set", "crawl.contact=me@example.org").exit_code == 0
    assert all("(by me@example.org)" in asked.user_agent for asked in stub.asked)


def test_without_a_contact_nothing_is_asked(webtext, stub: RedditStub):
    outcome = webtext("harvest", "webtext")
    assert outcome.exit_code == 2
    assert "harvest.contact" in outcome.err
    assert stub.asked == []


def test_without_credentials_the_error_says_what_to_set(
    webtext, stub: RedditStub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    point_praw_to(stub, monkeypatch, tmp_path / "config", client_id="")
    outcome = webtext("harvest", "webtext", *CONTACT)
    assert outcome.exit_code == 2
    assert "there are no Reddit credentials" in outcome.err
    assert "praw_client_id" in outcome.err


def test_an_answer_that_is_of_no_use_fails_the_only_round(webtext, stub: RedditStub):
    stub.fail(NEW, Fault(body=b"[]"))
    outcome = webtext("harvest", "webtext", *CONTACT)
    assert outcome.exit_code == 1
    assert "Reddit's answer to r/all/new is of no use" in outcome.err


def test_a_misspelt_field_is_an_error_that_names_the_nearest(webtext, stub: RedditStub):
    outcome = webtext("harvest", "webtext", "--set", "harvest.subreddit=all")
    assert outcome.exit_code == 2
    assert "harvest.subreddits" in outcome.err


def interrupted(process: subprocess.Popen[str]) -> str:
    """What it printed until Ctrl-C ended it."""
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        # Now and then it lands where Python drops it, such as in a destructor: a person presses
        # it again.
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=20)[0]
    raise AssertionError("Ctrl-C does not end it")


@pytest.mark.slow
def test_rounds_go_on_through_a_failure_until_ctrl_c_and_lose_nothing(
    stub: RedditStub, prefect_server: str, tmp_path: Path
):
    stub.fail(NEW, None, Fault(body=b"[]"))
    command = [sys.executable, "-m", "flows", "harvest", "webtext", *CONTACT, "--every", "0.02"]
    home = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [*command, "--data", str(tmp_path / "data")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": home, "PREFECT_API_URL": prefect_server},
        # Run in the background of a script, we ignore SIGINT, and our children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        while stub.paths().count(NEW) < 4:
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.02)
        output = interrupted(process)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, output
    rounds = [line for line in output.splitlines() if line.startswith("harvest: ")]
    assert "5 new; 3 kept; 2 held" in rounds[0]
    assert "failed: Reddit's answer to r/all/new is of no use" in rounds[1]
    assert "0 new; 0 kept; 2 held" in rounds[2]
    assert all("; next at " in line for line in rounds)
    assert "Traceback" not in output
    with open_store(tmp_path / "data" / "reddit") as store:
        assert store.num_held() == 2


def test_no_secret_is_printed_or_kept(webtext, stub: RedditStub):
    outcome = webtext("harvest", "webtext", *CONTACT)
    files = [path for path in Path("data").rglob("*") if path.is_file()]
    assert files
    for secret in (CLIENT_SECRET, stub.token):
        assert secret not in outcome.out + outcome.err
        assert not [path for path in files if secret.encode() in path.read_bytes()]
