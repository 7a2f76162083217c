"""Two runs or two corpora side by side: what differs is shown with both values."""

import re
import sys
from html import unescape
from pathlib import Path

import pytest
from rich.console import Console

from corpus.errors import UsageError
from corpus.manifest import read_record
from flows.__main__ import run_command
from flows.commands import report as command
from flows.corpora.summary import corpus_hash
from flows.reports.render_difference import render_difference
from tests.flows.reports.small_reports import NUM_DOCUMENTS, Reported


def text_of(page: Path) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page.read_text())))


def test_runs_differ_in_settings_figures_curves_and_scores(reported: Reported):
    page = render_difference(reported.run, reported.other_run, reported.data)
    text = text_of(page)
    assert "run.train.lr 0.001 0.002" in text
    assert "run.model.n_layer" not in text, "a setting that is the same"
    assert f"Both were trained on corpus {corpus_hash(reported.tokens)}" in text
    for name in ("A, training", "A, held out", "B, training", "B, held out"):
        assert name in text
    assert "unigram_loss" in text
    assert page.parent == reported.data / "reports"


def test_corpora_differ_in_documents_settings_and_figures(reported: Reported):
    text = text_of(render_difference(reported.tokens, reported.other_tokens, reported.data))
    assert "tokens.vocab_size 280 270" in text
    assert f"only in A: {NUM_DOCUMENTS}" in text
    assert f"only in B: {NUM_DOCUMENTS}" in text
    sizes = [
        read_record(tokens).figures["num_train_tokens"]
        for tokens in (reported.tokens, reported.other_tokens)
    ]
    assert f"train tokens {sizes[0]:,} {sizes[1]:,}" in text
    assert "http_404 9, 9" in text


def test_a_run_that_is_not_scored_is_compared_all_the_same(reported: Reported, tmp_path: Path):
    (reported.data / "scores" / "b").rename(tmp_path / "b")
    text = text_of(render_difference(reported.run, reported.other_run, reported.data))
    (tmp_path / "b").rename(reported.data / "scores" / "b")
    assert "Not both are scored: webtext evaluate a b --compare" in text


def test_a_run_and_a_corpus_are_not_compared(reported: Reported):
    with pytest.raises(UsageError, match="they cannot be compared"):
        render_difference(reported.run, reported.tokens, reported.data)
    with pytest.raises(UsageError, match="named twice"):
        render_difference(reported.run, reported.run, reported.data)


def test_the_command_takes_runs_and_corpora_by_their_names(
    reported: Reported, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def report(*names: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["webtext", "report", *names, "--data", data])
        monkeypatch.setattr(command, "console", Console(highlight=False, width=200))
        exit_code, printed = run_command(), capsys.readouterr()
        return exit_code, printed.out, printed.err

    data = str(reported.data)
    hashes = [corpus_hash(tokens) for tokens in (reported.tokens, reported.other_tokens)]
    page = f"{data}/reports/{hashes[0][:12]}-{hashes[1][:12]}.html"
    assert report("--compare", *hashes) == (0, f"report: {page}\n", "")
    assert report(hashes[0][:8]) == (0, f"report: {reported.tokens}/report.html\n", "")
    for wrong, said in (
        (["beef"], "called beef"),
        ([f"{data}/links/a"], "neither a run nor a corpus"),
        (["--compare", hashes[0]], "two names are needed, and 1 given"),
        (hashes, "one name is needed, and 2 given"),
    ):
        exit_code, _, err = report(*wrong)
        assert exit_code == 2
        assert said in err
