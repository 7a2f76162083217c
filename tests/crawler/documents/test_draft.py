"""What is measured on a draft, against slow and plain countings of the same."""

from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from lxml.html import fromstring

from corpus.tokenizer import Tokenizer
from crawler.documents.draft import Draft, declared_urls, repeated
from crawler.documents.language import Language

ENGLISH = Language("en", 1.0)
# Few different words, so that n-grams repeat and overlap.
REPETITIVE = st.lists(st.sampled_from(["a", "bb", "ccc"]), max_size=40).map(" ".join)


def draft(text: str) -> Draft:
    return Draft(text, ENGLISH)


def slow_repeated_chars(words: list[str], n: int) -> int:
    """Mark the letters of every n-gram that can be found earlier in the list."""
    marked = set()
    for end in range(n, len(words) + 1):
        gram = words[end - n : end]
        if any(words[start : start + n] == gram for start in range(end - n)):
            marked.update(range(end - n, end))
    return sum(len(words[index]) for index in marked)


def slow_top_chars(words: list[str], n: int) -> int:
    grams = [tuple(words[start : start + n]) for start in range(len(words) - n + 1)]
    ranked = sorted((grams.count(gram), len("".join(gram))) for gram in grams)
    return ranked[-1][0] * ranked[-1][1] if ranked and ranked[-1][0] > 1 else 0


@given(REPETITIVE, st.integers(2, 6))
def test_ngram_shares_are_those_of_a_plain_count(text, n):
    assert draft(text).repeated_ngram_chars(n) == slow_repeated_chars(text.split(), n)
    assert draft(text).top_ngram_chars(n) == slow_top_chars(text.split(), n)


@given(REPETITIVE, st.integers(2, 6))
def test_longer_ngrams_repeat_no_more_than_shorter_ones(text, n):
    assert draft(text).repeated_ngram_chars(n + 1) <= draft(text).repeated_ngram_chars(n)


def test_a_passage_said_twice_is_repeated_once_and_whole():
    passage = "one two three four five six seven"  # 27 letters
    assert draft(f"{passage} {passage}").repeated_ngram_chars(5) == 27
    assert draft(f"{passage} {passage} {passage}").repeated_ngram_chars(5) == 54
    assert draft(passage).repeated_ngram_chars(5) == 0


def test_a_thing_is_repeated_from_its_second_time_on():
    assert repeated(["a", "b", "a", "a", "c", "b"]) == ["a", "a", "b"]


def test_lines_and_paragraphs_have_something_in_them():
    text = " First \nsecond\n\n \nthird\n"
    assert draft(text).lines == ["First", "second", "third"]
    assert draft(text).paragraphs == ["First \nsecond", "third"]


@pytest.mark.parametrize(
    ("text", "num_sentences"),
    [
        ("", 0),
        ("No end", 0),
        ("One. Two! Three?", 3),
        ('He said: "Go." She went.', 2),
        ("He said: \u201cGo.\u201d (She went.)", 2),
        ("Version 3.14 at example.org is out.", 1),
        ("Wait... what?!", 2),
    ],
)
def test_sentences_end_with_a_mark_before_white_space(text, num_sentences):
    assert draft(text).num_sentences == num_sentences


def test_pretokens_are_a_little_fewer_than_gpt2s_tokens(real_data: Path):
    tokenizer = Tokenizer.load(real_data / "gpt2_bpe")
    text = (
        "It isn't the ferry that's late: we've waited since 1998, and they'll tell us nothing. "
        "The harbour's master, a Mr. O'Neill (72), hasn't been seen here for 3,000 days!\n\n"
    ) * 10
    text = text.strip()
    num_pretokens = next(n for n in count(1) if not draft(text).has_pretokens(n + 1))
    assert 0.85 * len(tokenizer.encode(text)) < num_pretokens <= len(tokenizer.encode(text))


def test_a_page_declares_its_addresses():
    page = fromstring(
        "<html><head><link rel='stylesheet' href='/x.css'><link rel='canonical' href=' http://a/ '>"
        "<meta property='og:url' content='http://b/'><meta property='og:url'></head></html>"
    )
    assert declared_urls(page) == ("http://a/", "http://b/")
    assert declared_urls(fromstring("<p>None")) == ()
    assert len(declared_urls(fromstring("<link rel='canonical' href='http://a/'>" * 99))) <= 4
