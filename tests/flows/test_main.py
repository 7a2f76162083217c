"""The edges of the command line: stopping it, and bugs of ours."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.commands import app as cli


def test_a_bug_is_one_line_and_a_file_with_the_traceback(webtext, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise ZeroDivisionError("of our own making")

    monkeypatch.setattr(cli, "_run_recipe", fail)
    outcome = webtext("demo")
    assert outcome.exit_code == 1
    assert "unexpected ZeroDivisionError: of our own making" in outcome.err
    assert "Traceback" not in outcome.err
    log = re.search(r"The traceback is in (\S+)", outcome.err)
    assert log is not None
    assert "ZeroDivisionError" in Path(log[1]).read_text()
    Path(log[1]).unlink()


def listen_to_ctrl_c() -> None:
    # A test run in the background of a script ignores SIGINT, and its children inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_a_polite_kill_stop_it_and_say_how_to_go_on(
    tmp_path: Path, prefect_server: str, signal_number: int
):
    process = subprocess.Popen(
        [sys.executable, "-m", "flows", "build", "demo", "--data", str(tmp_path / "data")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PREFECT_API_URL": prefect_server},
        preexec_fn=listen_to_ctrl_c,
    )
    while process.poll() is None and not list(tmp_path.glob("data/web/*")):
        time.sleep(0.05)
    process.send_signal(signal_number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err == "Stopped. Run the same command again: it goes on where it was.\n"


@pytest.mark.parametrize("group", [(), ("corpus",), ("benchmarks",)])
def test_a_line_of_80_columns_says_what_each_command_does(
    webtext, group: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "80")
    lines = webtext(*group, "--help").out.partition("Commands:\n")[2].splitlines()
    assert len(lines) >= 3
    assert [line for line in lines if line.endswith("...") or line[-1] not in ".?"] == []
