"""Texts are cut where a reader would cut them, and nothing of them is lost."""

import pytest
from hypothesis import given, settings, strategies as st

from corpus.benchmarks.translations import wmt_translations
from evaluation.answers.sentences import Language, split_sentences

LANGUAGES: tuple[Language, ...] = ("en", "fr")


def test_abbreviations_initials_and_numbers_end_no_sentence():
    first = "Mr. Smith paid $3.50 to Dr. J. Jones in the U.S. on Monday."
    assert split_sentences(f"{first} He left. Why?") == [first, "He left.", "Why?"]


def test_published_articles_may_be_split_into_tokens():
    assert split_sentences("It rained . He 's gone !") == ["It rained .", "He 's gone !"]


def test_a_line_end_ends_a_sentence_without_a_full_stop():
    assert split_sentences("A title\n\nIts text.") == ["A title", "Its text."]


def test_a_french_title_ends_no_sentence():
    sentences = ["M. Dupont et MM. Petit sont venus.", "Ils sont partis."]
    assert split_sentences(" ".join(sentences), "fr") == sentences


def test_a_no_break_space_is_a_space():
    assert split_sentences("«\u00a0Oui\u00a0.\u00a0» M\u00a0. Petit.", "fr")
    assert split_sentences("Non\u00a0! Si.", "fr") == ["Non !", "Si."]


@pytest.mark.parametrize("language", LANGUAGES)
@settings(max_examples=200)
@given(text=st.text(st.sampled_from("aM. \n!?\"'«»()…é\u00a0。\ufffd😀1")) | st.text())
def test_no_text_is_lost_or_refused(text, language: Language):
    sentences = split_sentences(text, language)
    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(sentence == " ".join(sentence.split()) != "" for sentence in sentences)


def test_nearly_every_line_of_the_news_is_one_sentence(benchmarks):
    lines = list(wmt_translations(benchmarks, 2014))
    english, french = [line.english for line in lines], [line.french for line in lines]
    for language, texts in zip(LANGUAGES, (english, french), strict=True):
        several = sum(len(split_sentences(text, language)) > 1 for text in texts)
        assert several < 0.02 * len(texts)
