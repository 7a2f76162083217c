"""The WMT sets are read line by line, both languages together."""

import shutil

import pytest

from corpus.benchmarks.files import NotAvailableError
from corpus.benchmarks.translations import wmt_translations
from corpus.errors import WebtextError


@pytest.mark.parametrize(("year", "lines"), [(2013, 3000), (2014, 3003)])
def test_a_line_of_one_language_belongs_to_the_same_line_of_the_other(year, lines, benchmarks):
    read = list(wmt_translations(benchmarks, year))
    assert len(read) == lines
    assert all(line.english and line.french for line in read)
    assert not any("\n" in line.english + line.french for line in read)


def test_the_first_translation_is_the_published_one(benchmarks):
    first = next(wmt_translations(benchmarks, 2013))
    assert first.english == "A Republican strategy to counter the re-election of Obama"
    assert first.french == "Une stratégie républicaine pour contrer la réélection d'Obama"


def test_a_missing_language_says_where_to_get_it(benchmarks, tmp_path):
    (tmp_path / "wmt_fr_en").mkdir()
    shutil.copy(benchmarks / "wmt_fr_en" / "newstest2014.eng", tmp_path / "wmt_fr_en")
    with pytest.raises(NotAvailableError, match=r"newstest2014\.fra is missing") as caught:
        list(wmt_translations(tmp_path, 2014))
    assert "Get it from" in caught.value.hint


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    (tmp_path / "wmt_fr_en").mkdir()
    (tmp_path / "wmt_fr_en" / "newstest2014.eng").write_text("One.\nTwo.\n")
    (tmp_path / "wmt_fr_en" / "newstest2014.fra").write_text("Un.\n")
    with pytest.raises(WebtextError, match=r"not as many lines as newstest2014\.eng"):
        list(wmt_translations(tmp_path, 2014))
