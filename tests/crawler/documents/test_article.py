"""The article and nothing else, whatever the page is made of."""

import re

import pytest
from hypothesis import given, settings, strategies as st

from crawler.documents.article import (
    Article,
    ArticleConfig,
    UnfitPageError,
    normalise,
    read_article,
)
from tests.crawler.documents.small_pages import SENTENCES, page

HTML = "text/html; charset=utf-8"


def article(body: bytes, content_type: str = HTML, **fields: object) -> Article:
    return read_article(body, content_type, ArticleConfig.model_validate(fields))


def reason(body: bytes, content_type: str = HTML, **fields: object) -> str:
    with pytest.raises(UnfitPageError) as caught:
        article(body, content_type, **fields)
    return caught.value.reason


def test_the_text_is_the_article_without_what_is_around_it():
    found = article(page(*SENTENCES))
    assert found.title == "The ferry"
    assert all(sentence in found.text for sentence in SENTENCES)
    assert "Sign in" not in found.text
    assert "rights reserved" not in found.text


def test_each_page_that_gives_no_document_has_its_reason():
    assert reason(b"") == "no_text"
    assert reason(b"<html><body></body></html>") == "no_text"
    assert reason(page(SENTENCES[0])) == "too_short"
    assert reason(b"short", "text/plain") == "too_short"
    assert reason(page(*SENTENCES), max_chars=300) == "too_long"
    assert reason(page(*SENTENCES), max_page_bytes=100) == "too_large"
    assert reason(page(*SENTENCES), max_tags=10) == "too_many_elements"
    assert reason(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0\0\0\1\0\x08\x06\0") == "binary"
    assert reason(b"<html><body><p>" + bytes(range(0x80, 0x100)) * 9) == "bad_encoding"


def test_a_broken_text_in_a_sound_page_is_a_bad_encoding():
    sound = "".join(f"<p><a href='/{number}'>{number}</a></p>" for number in range(100))
    broken = page(*(re.sub("[aeo]", "\ufffd", sentence) for sentence in SENTENCES))
    assert reason(broken.replace(b"<nav>", f"<nav>{sound}".encode())) == "bad_encoding"


@pytest.mark.parametrize("tag", ["div", "b", "blockquote"])
def test_a_deep_page_is_rejected_before_text_is_lost_in_silence(tag: str):
    nested = f"<{tag}>" * 40_000 + SENTENCES[0] + f"</{tag}>" * 40_000
    assert reason(page(*SENTENCES, nested, SENTENCES[0])) == "too_deep"
    assert article(page(*SENTENCES, f"<{tag}>" * 100 + SENTENCES[0])).text


def test_a_page_in_utf_16_is_read():
    found = article(page(*SENTENCES).decode().encode("utf-16"), "text/html")
    assert SENTENCES[3] in found.text


def test_plain_text_is_taken_as_it_is():
    text = "\r\n\r\n".join(SENTENCES)
    assert article(text.encode(), "text/plain").text == "\n\n".join(SENTENCES)


def test_text_behind_an_empty_element_is_kept():
    first, second = SENTENCES[:2]
    for empty in ("<span id='ad'></span>", "<em></em>", "<b></b>"):
        text = article(page(f"{first} {empty}{second}", *SENTENCES[2:])).text
        assert f"{first} {second}" in text


def test_a_paragraph_of_a_thousand_bold_words_is_read_as_if_they_were_plain():
    words = [f"word{number}" for number in range(1_000)]
    bold = article(page(*SENTENCES, " ".join(f"<b>{word}</b>" for word in words)))
    assert bold == article(page(*SENTENCES, " ".join(words)))
    assert words[-1] in bold.text


def test_a_page_that_took_trafilatura_minutes_is_read():
    page_of_em = page(*SENTENCES, "<em>so</em> <strong>on</strong> " * 20_000)
    assert article(page_of_em).text.count("so on") == 20_000


def test_lines_stay_lines_where_formatting_is_dropped():
    poem = "<br>".join(f"<i>line {number} of the poem</i>" for number in range(600))
    assert "line 8 of the poem\nline 9 of the poem\n" in article(page(*SENTENCES, poem)).text


def test_a_page_of_links_is_no_article():
    links = "<a href='/x'>some words</a> " * 6_000
    assert reason(page(*SENTENCES, links)) == "too_many_elements"


@pytest.mark.parametrize("frame", ["div style='border: 1px'", "div class='bottom'", "header"])
def test_an_article_in_a_place_that_precision_mode_shuns_is_found(frame: str):
    paragraphs = "".join(f"<p>{sentence}</p>" for sentence in SENTENCES)
    framed = f"<{frame}>{paragraphs}</{frame.partition(' ')[0]}>"
    found = article(f"<html><body><h1>The ferry</h1>{framed}</body></html>".encode())
    assert all(sentence in found.text for sentence in SENTENCES)


def test_a_title_is_one_line_without_what_cannot_be_written():
    assert article(page(*SENTENCES, title="A\0\u00ad  &amp;\r\n B \ufeff")).title == "A & B"
    assert len(article(page(*SENTENCES, title="x" * 5_000)).title) == 1_000


@settings(max_examples=100)
@given(st.text(st.characters(), max_size=60))
def test_normal_text_stays_as_it_is_and_can_be_written(text: str):
    normal = normalise(text)
    normal.encode()
    assert normalise(normal) == normal
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", normal)
    assert normalise("e\u0301\r\nx\ry\x00z\ud800") == "é\nx\nyz"


TAGS = ["p", "div", "table", "td", "script", "svg", "title", "body", "head", "pre", "a", "b", "li"]
MARKUP = st.one_of(
    st.sampled_from([f"<{slash}{tag}>" for tag in TAGS for slash in ("", "/")]),
    st.sampled_from(
        ["<", ">", "<!--", "-->", "<![CDATA[", "&#xD800;", "&#0;", "&amp;", "<?x", "</"]
    ),
    st.sampled_from([*SENTENCES, "<p id=", "<html/>", "<!DOCTYPE x [<!ENTITY a 'b'>]>&a;", "\0"]),
    st.text(st.characters(codec="utf-8"), max_size=10),
)


def result(markup: str, config: ArticleConfig) -> Article | UnfitPageError:
    try:
        return read_article(f"<html><body>{markup}</body></html>".encode(), HTML, config)
    except UnfitPageError as exc:
        return exc


@settings(max_examples=200)
@given(st.lists(MARKUP, max_size=30).map("".join), st.booleans())
def test_any_markup_is_an_article_or_an_unfit_page(markup: str, favor_precision: bool):
    found = result(markup, ArticleConfig(favor_precision=favor_precision, min_chars=1))
    if isinstance(found, UnfitPageError):
        (found.reason + found.detail).encode()
        assert found.reason in {"no_text", "too_deep", "binary", "bad_encoding"}, found.detail
    else:
        (found.title + found.text).encode()
        assert found.text == normalise(found.text)
