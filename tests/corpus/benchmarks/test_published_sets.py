"""The table of published sets is one that a fetch and a reader can work with."""

import re
from collections import Counter
from urllib.parse import urlsplit

import pytest

from corpus.benchmarks.files import NotAvailableError, benchmark_file
from corpus.benchmarks.published_sets import PUBLISHED_SETS

FILES = [file for each in PUBLISHED_SETS for file in each.files]


@pytest.mark.parametrize("benchmark", PUBLISHED_SETS, ids=lambda each: each.name)
def test_a_set_s_files_lie_in_its_folder_and_come_from_somewhere(benchmark):
    assert benchmark.terms
    for file in benchmark.files:
        assert file.path.split("/")[0] == benchmark.name
        assert file.source or benchmark.by_hand
    for address in benchmark.addresses:
        assert urlsplit(address.split()[0]).scheme in ("http", "https")


def test_no_file_is_named_twice():
    assert set(Counter(file.path for file in FILES).values()) == {1}


def test_sums_are_sha256_sums_and_an_archive_always_has_one():
    """An archive is unpacked, and 2 GB are resumed, on the strength of its sum."""
    for file in FILES:
        sums = {file.sha256, file.source.sha256 if file.source else None} - {None}
        assert all(re.fullmatch("[0-9a-f]{64}", str(each)) for each in sums)
        if file.member:
            assert file.source
            assert file.source.sha256
            assert file.source.num_bytes


def test_a_missing_file_s_hint_is_the_command_that_fetches_it(tmp_path):
    folder = tmp_path / "my files"
    with pytest.raises(NotAvailableError) as caught:
        benchmark_file(folder, "cbt/cbtest_CN_valid_2000ex.txt")
    assert f"`webtext benchmarks fetch cbt --to '{folder}'`" in caught.value.hint
    with pytest.raises(NotAvailableError) as caught:
        benchmark_file(folder, "cnndm/test.csv")
    assert "kaggle" in caught.value.hint
    assert "webtext benchmarks fetch" not in caught.value.hint


def test_another_split_of_a_set_has_the_set_s_address(tmp_path):
    with pytest.raises(NotAvailableError, match=r"wiki\.valid\.tokens") as caught:
        benchmark_file(tmp_path, "wikitext2/wiki.valid.tokens")
    assert "wikitext-2-v1.zip" in caught.value.hint
