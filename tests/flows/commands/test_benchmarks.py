"""`webtext benchmarks` says what is there and what is missing, fetches it and checks it."""

import hashlib
from collections.abc import Iterator
from typing import get_args

import pytest
from typer.testing import CliRunner

from corpus.benchmarks.catalog import BenchmarkFile, BenchmarkSet, Source
from corpus.benchmarks.published_sets import PUBLISHED_SETS
from corpus.errors import UsageError, WebtextError
from evaluation.settings import TaskName
from flows.commands.benchmarks import benchmarks as command, fetch, fetch_sets
from tests.corpus.benchmarks.publisher import Publisher, serving


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with serving() as given:
        yield given


def run(*arguments: str) -> str:
    result = CliRunner().invoke(command, arguments, env={"COLUMNS": "200"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0
    return result.output


@pytest.fixture
def some_there(benchmarks, tmp_path):
    """A folder with one set of the paper's."""
    (tmp_path / "lambada").mkdir()
    name = "lambada/lambada_test.jsonl"
    (tmp_path / name).write_bytes((benchmarks / name).read_bytes())
    return tmp_path


def line_of(output: str, name: str) -> list[str]:
    [line] = [line for line in output.splitlines() if line.startswith(name)]
    return line.split()


def test_the_list_tells_what_is_there_and_what_is_missing(some_there):
    output = run("list", "--benchmarks", str(some_there))
    lambada = line_of(output, "lambada/lambada_test.jsonl")
    assert lambada == ["lambada/lambada_test.jsonl", "lambada", "5,153", "there"]
    assert line_of(output, "nq_open/NQ-open.dev.jsonl")[-1] == "missing"


def test_the_list_has_every_set_with_its_address_and_needs_no_folder():
    output = run("list")
    assert "missing" not in output
    for each in PUBLISHED_SETS:
        assert f"\n{each.name}: {each.terms}\n" in output
        assert all(f"\n  {address}\n" in output for address in each.addresses)


def test_a_check_reads_what_is_there_and_says_where_the_rest_is(some_there):
    output = run("check", "--benchmarks", str(some_there))
    lambada = line_of(output, "lambada/lambada_test.jsonl")
    assert lambada[1:] == ["ok", "5,153", "as", "published"]
    assert line_of(output, "coqa/coqa-dev-v1.0.json")[1:] == ["missing"]
    assert "https://nlp.stanford.edu/data/coqa/coqa-dev-v1.0.json" in output


def test_a_check_prints_the_sum_of_what_has_no_published_one(benchmarks, tmp_path):
    name = "wsc273/winograd_wsc.jsonl"
    content = (benchmarks / name).read_bytes()
    (tmp_path / "wsc273").mkdir()
    (tmp_path / name).write_bytes(content)
    output = run("check", "--benchmarks", str(tmp_path))
    assert line_of(output, name)[1:] == ["ok", "273", "no", "published", "sum"]
    assert f"\n{hashlib.sha256(content).hexdigest()}  {name}\n" in output


def test_a_check_fails_for_a_damaged_set_and_says_what_to_do(some_there, capsys):
    with (some_there / "lambada" / "lambada_test.jsonl").open("ab") as file:
        file.write(b'{"text": "one more"}\n')
    with pytest.raises(WebtextError, match=r"damaged in .*lambada_test\.jsonl") as caught:
        run("check", "--benchmarks", str(some_there))
    assert f"webtext benchmarks fetch lambada --to {some_there}" in caught.value.hint


@pytest.mark.parametrize("verb", ["list", "check"])
def test_a_folder_that_is_not_there_is_wrong_usage(verb, tmp_path):
    with pytest.raises(UsageError, match="there is no folder"):
        run(verb, "--benchmarks", str(tmp_path / "nowhere"))


def test_a_fetch_goes_on_after_a_failure_and_names_what_failed(publisher, tmp_path, capsys):
    publisher.files["/ptb"] = b"a\nb\n"
    sets = [
        BenchmarkSet(
            name, "", (BenchmarkFile(path=path, source=Source(f"{publisher.url}/{address}")),)
        )
        for name, path, address in (
            ("lambada", "lambada/lambada_test.jsonl", "nothing"),
            ("ptb", "ptb/ptb.test.txt", "ptb"),
        )
    ]
    with pytest.raises(WebtextError, match="not fetched: lambada\n") as caught:
        fetch_sets(sets, tmp_path)
    assert f"webtext benchmarks fetch lambada --to {tmp_path}" in caught.value.hint
    assert (tmp_path / "ptb" / "ptb.test.txt").read_bytes() == b"a\nb\n"
    printed = capsys.readouterr().out
    assert "it answers 404" in printed
    assert "ptb: fetched ptb/ptb.test.txt" in printed
    publisher.files["/nothing"] = b'{"text": "a b"}\n'
    fetch_sets(sets, tmp_path)
    assert "ptb: is there" in capsys.readouterr().out


def test_an_unknown_set_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="no benchmark set nowhere") as caught:
        fetch(tmp_path, ["lambada", "nowhere"])
    assert "wikitext103" in caught.value.hint


def test_every_task_of_the_paper_has_its_files_in_the_list():
    listed = {task for each in PUBLISHED_SETS for file in each.files for task in file.tasks}
    assert set(get_args(TaskName)) - {"heldout"} <= listed
