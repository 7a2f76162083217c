"""A check tells the published files from damaged ones, and reads each as the tasks do."""

import shutil

import pytest

from corpus.benchmarks.check import READERS, check_file
from corpus.benchmarks.published_sets import PUBLISHED_SETS

FILES = {file.path: file for each in PUBLISHED_SETS for file in each.files}
REAL = [
    "lambada/lambada_test.jsonl",
    "lambada/lambada_test_plain_text.txt",
    "wikitext2/wiki.test.tokens",
    "wikitext103/wiki.test.tokens",
    "ptb/ptb.test.txt",
    "wsc273/winograd_wsc.jsonl",
    "wsc273/WSCollection.xml",
    "wmt_fr_en/newstest2014.fra",
    "wmt_fr_en/newstest2014.eng",
    "wmt_fr_en/newstest2013.fra",
    "wmt_fr_en/newstest2013.eng",
    "nq_open/NQ-open.dev.jsonl",
]


@pytest.mark.parametrize("path", REAL)
def test_the_real_files_are_what_was_published(path, benchmarks):
    finding = check_file(benchmarks, FILES[path])
    assert (finding.state, finding.problem) == ("ok", "")
    assert finding.num_examples == FILES[path].num_examples
    assert len(finding.sha256) == 64


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda content: content[:-1], "bytes, not"),
        (lambda content: content.replace(b"the ", b"teh ", 1), "is not the published"),
        (lambda content: b'{"text": 1}' + content[11:], "published format"),
        (lambda _: b"<html>404</html>", "published format"),
    ],
)
def test_a_damaged_file_says_what_is_wrong(change, problem, benchmarks, tmp_path):
    path = "lambada/lambada_test.jsonl"
    (tmp_path / "lambada").mkdir()
    (tmp_path / path).write_bytes(change((benchmarks / path).read_bytes()))
    finding = check_file(tmp_path, FILES[path])
    assert finding.state == "damaged"
    assert problem in finding.problem


def test_a_file_without_a_sum_is_told_by_its_examples(benchmarks, tmp_path):
    path = "wsc273/winograd_wsc.jsonl"
    (tmp_path / "wsc273").mkdir()
    lines = (benchmarks / path).read_bytes().splitlines(keepends=True)
    (tmp_path / path).write_bytes(b"".join(lines[:-3]))
    assert check_file(tmp_path, FILES[path]).problem == "it has 270 examples, not 273"


def test_half_of_a_pair_of_files_is_not_damaged(benchmarks, tmp_path):
    (tmp_path / "wmt_fr_en").mkdir()
    name = "wmt_fr_en/newstest2014.fra"
    shutil.copyfile(benchmarks / name, tmp_path / name)
    assert check_file(tmp_path, FILES[name]).state == "ok"
    assert check_file(tmp_path, FILES["wmt_fr_en/newstest2014.eng"]).state == "missing"


def test_every_published_file_has_a_reader_and_every_reader_a_file():
    assert set(READERS) == set(FILES)
