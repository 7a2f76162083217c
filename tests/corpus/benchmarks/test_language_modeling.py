"""The texts of the language modelling sets are the published files', cut where they say."""

import shutil

import pytest

from corpus.benchmarks.files import NotAvailableError
from corpus.benchmarks.language_modeling import (
    LM1B_FILE,
    lambada_passages,
    lm1b_sentences,
    ptb_sentences,
    wikitext_articles,
)
from corpus.errors import WebtextError


@pytest.mark.parametrize(
    ("name", "split"), [("wikitext2", "test"), ("wikitext103", "test"), ("wikitext103", "valid")]
)
def test_a_wikitext_split_has_sixty_articles_that_joined_are_the_file(name, split, benchmarks):
    articles = list(wikitext_articles(benchmarks, name, split))
    assert len(articles) == 60
    assert "".join(articles) == (benchmarks / name / f"wiki.{split}.tokens").read_text()
    assert all(article.split("\n")[1].startswith(" = ") for article in articles)


@pytest.mark.parametrize("lines", [0, 1, 2, 3])
def test_a_file_of_hardly_any_lines_is_one_article_or_none(lines, tmp_path):
    (tmp_path / "wikitext2").mkdir()
    text = "".join([" \n", " = Title = \n", " \n"][:lines])
    (tmp_path / "wikitext2" / "wiki.test.tokens").write_text(text)
    assert list(wikitext_articles(tmp_path, "wikitext2")) == ([text] if text else [])


def test_ptb_is_a_sentence_per_line(benchmarks):
    assert len(list(ptb_sentences(benchmarks))) == 3761
    assert len(list(ptb_sentences(benchmarks, "valid"))) == 3370
    with pytest.raises(NotAvailableError, match=r"ptb\.train\.txt"):
        list(ptb_sentences(benchmarks, "train"))


def test_one_billion_word_is_a_sentence_per_line(benchmarks, tmp_path):
    (tmp_path / LM1B_FILE).parent.mkdir()
    shutil.copy(benchmarks / "lm1b" / "news.en.heldout.sample.txt", tmp_path / LM1B_FILE)
    sentences = list(lm1b_sentences(tmp_path))
    assert len(sentences) == 15
    assert sentences[0].startswith("Kidd said after the game")


@pytest.mark.parametrize("content", [b"no json", b"[1]", b'{"text": 7}', b"\xff"])
def test_a_foreign_lambada_file_is_refused(content, tmp_path):
    (tmp_path / "lambada").mkdir()
    (tmp_path / "lambada" / "lambada_test.jsonl").write_bytes(content)
    with pytest.raises(WebtextError, match="published format"):
        list(lambada_passages(tmp_path))
