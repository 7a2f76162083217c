"""`webtext evaluate` scores a model, prints its table and leaves a page; `--compare` several."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import typer

from corpus.errors import UsageError
from corpus.manifest import read_manifest
from flows.commands import evaluation as command
from flows.commands.options import console
from flows.corpora.summary import corpus_hash
from flows.reports.gather_results import gather_results
from model.settings import CHECKPOINT, ModelConfig, RunConfig
from tests.flows.small_runs import write_run, write_word_tokens

LIMIT = 3
TASKS = "heldout,lambada,wsc273"

Evaluate = Callable[..., str]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs on one corpus."""
    torch.set_num_threads(1)  # tensors of a few numbers: threads would only wait for each other
    folder = tmp_path_factory.mktemp("evaluated") / "data"
    tokens = write_word_tokens(folder)
    for name, width in (("aaaa", 8), ("bbbb", 16)):
        shape = ModelConfig(block_size=256, n_layer=1, n_head=1, n_embd=width)
        write_run(folder / "runs" / name, tokens, RunConfig(model=shape))
    return folder


@pytest.fixture
def evaluate(data: Path, monkeypatch: pytest.MonkeyPatch, capsys, prefect_server) -> Evaluate:
    """Run the command as it is typed, on a terminal of 80 columns, and return what it printed."""
    app = typer.Typer()
    app.command()(command.evaluate)

    def run(*arguments: str) -> str:
        monkeypatch.setattr(console, "width", 80)
        words = [*arguments, "--data", str(data)]
        typer.main.get_command(app).main(words, standalone_mode=False)
        return capsys.readouterr().out

    return run


@pytest.fixture
def options(benchmarks: Path) -> list[str]:
    return ["--benchmarks", str(benchmarks), "--tasks", TASKS, "--limit", str(LIMIT)]


def page_of(printed: str) -> Path:
    """The page that the last line names."""
    [page] = re.findall(r"^report: (.+)$", printed.splitlines()[-1])
    return Path(page)


def test_the_table_has_value_interval_paper_and_difference(evaluate, options, data):
    printed = evaluate("aaaa", *options)
    lines = [line.split() for line in printed.splitlines()]
    assert ["task,", "metric", "value", "95", "%", "117M", "paper"] in lines
    assert lines.index(["heldout"]) < lines.index(["lambada"]) < lines.index(["wsc273"])
    [row] = [line for line in lines if line[:1] == ["accuracy_filtered_percent"]]
    value, paper, signed = row[1], row[-2], row[-1]
    assert value.endswith("*")
    assert float(value.rstrip("*")) - float(paper) == pytest.approx(float(signed), abs=0.02)
    assert "* only the first examples of the set" in printed
    assert page_of(printed).is_file()
    assert {row.task for row in gather_results(data / "runs" / "aaaa").scores} == set(
        TASKS.split(",")
    )


def test_what_was_scored_is_not_scored_again(evaluate, options):
    first = evaluate("aaaa", *options)
    made = page_of(first).with_name("scores-00000.arrow").stat().st_mtime_ns
    assert page_of(evaluate("aaaa", *options)) == page_of(first)
    assert page_of(first).with_name("scores-00000.arrow").stat().st_mtime_ns == made


def test_the_grid_is_marked_under_the_nearest_protocol(evaluate, benchmarks):
    given = ("--benchmarks", str(benchmarks), "--tasks", "lambada", "--limit", "2")
    lines = evaluate("aaaa", *given, "--grid").splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("lambada"))
    assert lines[first + 1].split()[0] == "perplexity"
    assert lines[first + 2].split()[:2] == ["or", "openai_straight"]
    table = lines[first:-1]
    assert max(map(len, table)) <= 80
    assert not any("…" in line for line in table)


def test_a_missing_set_is_a_row_and_says_where_to_get_it(evaluate, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    given = ("--tasks", "heldout,lambada", "--limit", "1")
    printed = evaluate("aaaa", "--benchmarks", str(empty), *given)
    assert re.search(r"^lambada: not scored", printed, re.MULTILINE)
    assert re.search(r"^Not scored: lambada\. .*https?://", printed, re.MULTILINE)


def test_of_a_folder_of_weights_no_corpus_is_scored_unless_one_is_named(
    evaluate, options, data, tmp_path
):
    shutil.copytree(data / "runs" / "aaaa" / CHECKPOINT, tmp_path / "my-gpt2")
    printed = evaluate(str(tmp_path / "my-gpt2"), *options)
    assert re.search(r"^heldout: not scored", printed, re.MULTILINE)
    assert "--corpus" in printed
    manifest = read_manifest(page_of(printed).parent)
    assert manifest.inputs.keys() == {"model", "benchmarks"}

    corpus = corpus_hash(data / "tokens" / "words")
    printed = evaluate(str(tmp_path / "my-gpt2"), *options, "--corpus", corpus)
    assert re.search(r"^heldout *\n  loss", printed, re.MULTILINE)
    assert corpus in page_of(printed).read_text()


def test_models_are_compared_and_each_is_scored_once(evaluate, options, data):
    printed = evaluate("--compare", "aaaa", "bbbb", *options)
    [head] = [line.split() for line in printed.splitlines() if line.startswith("task,")]
    assert head == ["task,", "metric", "A", "B", "B", "-", "A,", "95", "%", "117M"]
    assert "B: bbbb" in printed
    assert page_of(printed).parent == data / "reports"
    scored = len(list((data / "scores").iterdir()))
    assert page_of(evaluate("aaaa", "--compare", "bbbb", *options)) == page_of(printed)
    assert len(list((data / "scores").iterdir())) == scored


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["aaaa", "--tasks", "lambda"], "'lambda'", "Did you mean lambada?"),
        (["aaaa", "--tasks", ","], "','", "The tasks: heldout, lambada"),
        (["aaaa", "bbbb"], "2 models are named", "--compare"),
        (["aaaa", "--compare"], "one model only", "RUN RUN"),
        (["beef"], "called beef", "runs"),
    ],
)
def test_what_cannot_be_meant_is_said_before_any_work(
    evaluate, data, arguments: list[str], message: str, hint: str
):
    before = sorted((data / "scores").glob("*"))
    with pytest.raises(UsageError, match=message) as caught:
        evaluate(*arguments)
    assert hint in caught.value.hint
    assert sorted((data / "scores").glob("*")) == before
