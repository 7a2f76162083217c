"""Words equal the plain reference, in any script, cut as the text is cut."""

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from dedup.words import SCHEME, scan_words
from tests.dedup import reference

# Letters of one to four bytes, marks that compose or not, Hangul in parts, a dotted capital I and
# both sigmas, digits that are no decimals, emoji joined by U+200D.
ALPHABET = (
    "ab Z09_-.\n\u00e4\u00df\u0301\u0308e\u1100\u1161\u11a8\ud55c\u0130\u03a3\u03c3\u03c2"
    "\u00b2\u8a9e\U0001d400\U00020000\U0001f468\u200d\u0e01\u0e38\u05d0\u0627\u064b"
)
WORD_HASHES = [
    1393339652945109714,
    13740515651411379380,
    10795275618771958190,
    11479200830936390612,
    422727129195913715,
]
texts = st.lists(st.one_of(st.text(ALPHABET, max_size=40), st.text(max_size=20)), max_size=5)


@settings(max_examples=300)
@given(texts, st.sampled_from([pa.string(), pa.large_string()]))
def test_words_equal_the_plain_reference(texts, kind):
    words = scan_words(pa.array(texts, kind), with_spans=True)
    expected = [reference.words(text) for text in texts]
    assert np.diff(words.offsets).tolist() == [len(found) for found in expected]
    flat = [word for found in expected for word in found]
    assert words.hashes.tolist() == [reference.word_hash(word.text) for word in flat]
    assert words.starts.tolist() == [word.start for word in flat]
    assert words.ends.tolist() == [word.end for word in flat]


@settings(max_examples=60)
@given(texts, st.data())
def test_a_slice_has_the_words_of_its_texts(texts, data):
    begin = data.draw(st.integers(0, len(texts)))
    end = data.draw(st.integers(begin, len(texts)))
    whole = scan_words(pa.array(texts, pa.string()))
    part = scan_words(pa.array(texts, pa.string())[begin:end])
    assert part.hashes.tolist() == whole.hashes[whole.offsets[begin] : whole.offsets[end]].tolist()


@settings(max_examples=60)
@given(st.text(ALPHABET, max_size=60))
def test_spans_cut_the_composed_text_into_its_words(text):
    words = scan_words(pa.array([text]), with_spans=True)
    data = unicodedata.normalize("NFC", text).encode()
    cut = [data[start:end].decode() for start, end in zip(words.starts, words.ends, strict=True)]
    assert [reference.normalised(word) for word in cut] == reference.normalised(text).split()


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("It's a snake_case, THE-end!", "it s a snake case the end"),
        ("Cafe\u0301 \u00c4RGER 42nd", "caf\u00e9 \u00e4rger 42nd"),
        (
            "\u0416\u0438\u0437\u043d\u044c,\t\u0429\u0438\u0442\n\n\u6771\u4eac 2020",
            "\u0436\u0438\u0437\u043d\u044c \u0449\u0438\u0442 \u6771\u4eac 2020",
        ),
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8", "\ud55c\uad6d"),
        ("\u201cquoted\u201d \u2014 dashed\u2014words\u2026", "quoted dashed words"),
        ("?! \u2026 \u2014", ""),
        ("", ""),
    ],
)
def test_a_text_has_the_words_of_its_normal_form(text, normalised):
    assert reference.normalised(text) == normalised
    found = scan_words(pa.array([text, normalised]))
    mine, plain = np.split(found.hashes, found.offsets[1:2])
    assert mine.tolist() == plain.tolist()
    assert len(mine) == len(normalised.split())


def test_hashes_are_those_of_last_year():
    # They lie in files: a change of one of them needs another SCHEME.
    found = scan_words(pa.array(["The caf\u00e9 of \u6771\u4eac 1901"]))
    assert found.hashes.tolist() == WORD_HASHES
    assert SCHEME.startswith("webtext-words-1/unicode-")


def test_different_words_have_different_hashes():
    words = [f"{head}{number}" for head in ("", "a", "word", "\u00e9") for number in range(5000)]
    assert len(np.unique(scan_words(pa.array(words)).hashes)) == len(words)


@pytest.mark.parametrize("texts", [pa.array([], pa.string()), pa.array([], pa.large_string())])
def test_no_texts_have_no_words(texts):
    words = scan_words(texts, with_spans=True)
    assert words.offsets.tolist() == [0]
    assert len(words.hashes) == len(words.starts) == len(words.ends) == 0


def test_a_text_can_be_a_letter():
    texts = list("abcdefghij") * 100
    words = scan_words(pa.array(texts), with_spans=True)
    assert words.hashes.tolist() == [reference.word_hash(text) for text in texts]
    assert words.ends.tolist() == [1] * 1000


def test_texts_without_a_byte_have_no_words():
    words = scan_words(pa.array(["", ""]))
    assert words.offsets.tolist() == [0, 0, 0]


def test_bytes_that_are_no_utf8_are_refused():
    texts = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(np.array([0, 2], np.int32)), pa.py_buffer(b"\xc3(")]
    )
    with pytest.raises(pa.ArrowInvalid):
        scan_words(texts)
