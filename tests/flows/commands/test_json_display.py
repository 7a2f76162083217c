"""WEBTEXT_LOG=json: whatever is said on stderr is one JSON object per line."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from corpus.errors import UsageError
from corpus.json_log import JsonFormatter, wants_json
from flows.commands import paced_lines
from flows.commands.display import current_display, open_display


@pytest.fixture(autouse=True)
def as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBTEXT_LOG", "json")


def test_stages_are_lines_with_counts_and_rates(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(paced_lines, "LINE_EVERY_S", 0.0)
    with open_display(Console()):
        display = current_display()
        progress = display.stage("pages")
        progress.start(10, "links")
        progress.advance(4, "3 pages fetched")
        display.warn("pages", 'a "host" is gone')
        display.done("pages", "10 → 9 (timeout 1) in 3 s")
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = [json.loads(line) for line in captured.err.splitlines()]
    assert [line.get("event") for line in lines] == ["started", "progress", None, "done"]
    assert {line["stage"] for line in lines} == {"pages"}
    assert (lines[1]["done"], lines[1]["total"], lines[1]["unit"]) == (4, 10, "links")
    assert lines[1]["rate_per_s"] > 0
    assert (lines[2]["level"], lines[2]["message"]) == ("warning", 'a "host" is gone')
    assert lines[3]["message"] == "10 → 9 (timeout 1) in 3 s"


def test_a_library_s_record_has_its_logger_and_its_traceback():
    formatter = JsonFormatter()
    try:
        raise ValueError("of our own making")
    except ValueError:
        record = logging.LogRecord(
            "scrapy.core", logging.ERROR, "", 0, "lost %s\nand more", ("a page",), sys.exc_info()
        )
    line = formatter.format(record)
    assert "\n" not in line
    said = json.loads(line)
    assert (said["level"], said["logger"]) == ("error", "scrapy.core")
    assert said["message"] == "lost a page\nand more"
    assert "of our own making" in said["traceback"]


def test_what_a_command_printed_and_how_it_failed_are_lines_too(tmp_path: Path):
    listed = _webtext("corpus", "list", "--data", str(tmp_path))
    assert listed.returncode == 0
    (result,) = map(json.loads, listed.stderr.splitlines())
    assert (result["event"], result["exit_code"]) == ("result", 0)
    assert result["message"] == listed.stdout.strip()
    assert result["message"].startswith(f"there is no corpus in {tmp_path}: ")

    failed = _webtext("report", "no-such-run", "--data", str(tmp_path))
    (result,) = map(json.loads, failed.stderr.splitlines())
    assert failed.returncode == result["exit_code"] == 2
    assert result["level"] == "error"
    assert "no-such-run" in result["message"]
    assert result["hint"]


@pytest.mark.slow
def test_a_build_prefect_s_records_and_scrapy_s_log_are_json_throughout(
    tmp_path: Path, prefect_server: str
):
    small = [f"--set={each}" for each in ("web.num_pages=20", "web.num_hosts=2")]
    built = _webtext("build", "demo", "--until", "pages", "--data", str(tmp_path), *small)
    assert built.returncode == 0, built.stderr
    lines = [json.loads(line) for line in built.stderr.splitlines()]
    assert any(line.get("logger") == "prefect.flow_runs" for line in lines)
    done = [line["stage"] for line in lines if line.get("event") == "done"]
    assert done == ["web", "links", "pages"]
    assert lines[-1]["event"] == "result"
    logs = list(tmp_path.glob("pages/*/crawl-*.log"))
    assert logs
    loggers = {json.loads(x)["logger"] for log in logs for x in log.read_text().splitlines()}
    assert "scrapy.core.engine" in loggers


def test_another_value_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WEBTEXT_LOG", "jsno")
    with pytest.raises(UsageError, match="jsno"):
        wants_json()


def _webtext(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flows", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"WEBTEXT_LOG": "json"},
        check=False,
    )
