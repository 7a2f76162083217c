"""The table in the documents is what the command prints."""

from pathlib import Path

import pytest

from dedup.overlap.__main__ import table_lines

DOCS = Path(__file__).parents[3] / "docs" / "overlap.md"


@pytest.mark.slow
def test_the_table_in_the_docs_is_the_one_that_is_printed(benchmarks):
    assert "\n".join(table_lines(benchmarks)) in DOCS.read_text(encoding="utf-8")


def test_a_folder_without_benchmarks_has_an_empty_table(tmp_path):
    assert len(list(table_lines(tmp_path))) == 2
