"""One Prefect server for all tests of flows; commands run in this process."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from flows.__main__ import run_command
from flows.commands import (
    app as cli,
    corpus as cli_corpus,
    doctor as cli_doctor,
    estimate as cli_estimate,
    evaluation as cli_evaluation,
    overlap as cli_overlap,
)
from flows.embedded_prefect import embedded_prefect


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    exit_code: int
    out: str
    err: str


Webtext = Callable[..., Outcome]


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prefect server that outlives the tests, as a team's would."""
    with embedded_prefect(tmp_path_factory.mktemp("prefect")) as url:
        from prefect.settings import PREFECT_API_URL, temporary_settings

        # A test module that imports a flow has made Prefect read its settings already.
        with temporary_settings({PREFECT_API_URL: url}):
            yield url


@pytest.fixture
def webtext(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    prefect_server: str,
) -> Webtext:
    """Run a webtext command in `tmp_path` and return its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["webtext", *arguments])
        for module in (cli, cli_corpus, cli_doctor, cli_estimate, cli_evaluation, cli_overlap):
            monkeypatch.setattr(module, "console", Console(highlight=False, width=200))
        exit_code = run_command()
        captured = capsys.readouterr()
        return Outcome(exit_code, captured.out, captured.err)

    return run
