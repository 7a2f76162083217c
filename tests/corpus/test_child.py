"""A child process: its lines, its failures, and its end."""

import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from corpus.child import run_child
from corpus.errors import WebtextError

ROOT = Path(__file__).parents[2]

TALK = """
import sys
from corpus.child import emit
print("not JSON")
emit({"done": 1})
emit({"done": 2})
"""
FAIL = """
import sys
sys.exit("the reason")
"""
WAIT = """
import os, time
from corpus.child import emit, exit_with_parent
exit_with_parent()
emit({"pid": os.getpid()})
time.sleep(60)
"""
PARENT = """
import sys
from pathlib import Path
from corpus.child import run_child
for message in run_child(["wait"], Path("child.log")):
    print(message["pid"], flush=True)
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {"talk": TALK, "fail": FAIL, "wait": WAIT, "parent": PARENT}.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    return tmp_path


def test_its_json_lines_are_yielded(modules: Path):
    messages = list(run_child(["talk"], modules / "child.log"))
    assert messages == [{"done": 1}, {"done": 2}]


def test_its_failure_shows_the_end_of_its_log(modules: Path):
    with pytest.raises(WebtextError, match="the reason"):
        list(run_child(["fail"], modules / "child.log"))


def test_closing_the_generator_stops_it(modules: Path):
    with closing(run_child(["wait"], modules / "child.log")) as messages:
        pid = next(messages)["pid"]
    assert not Path(f"/proc/{pid}").exists()


def test_it_dies_with_a_killed_parent(modules: Path):
    parent = subprocess.Popen(
        [sys.executable, "-m", "parent"],
        cwd=modules,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/cmdline").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}/cmdline").exists()
