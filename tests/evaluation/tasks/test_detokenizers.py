"""De-tokenizers write texts as an author would, and give back any text as it was."""

import pytest
from hypothesis import example, given, settings, strategies as st

from evaluation.tasks.detokenizers import LM1B, PTB, WIKITEXT

SETS = {"wikitext": WIKITEXT, "ptb": PTB, "lm1b": LM1B}
AS_IT_IS = "\N{WORD JOINER}"
TOKENS = [
    *".,;:!?%()[]{}$#\"='-/<>",
    *("@-@", "@,@", "@.@", "@", "'s", "'t", "n't", "'re", "...", "..", "==", "c$", "$", "N"),
    *("<unk>", "U.S.", "U.S", "Inc.", "Inc", "Mr", "Mr.", "3", "1,000", "2.5", "18-", "a-b"),
    *("word", "don", "don't", "isn", "Amazon.com", "°", "\u00e9", "", " ", "\n", AS_IT_IS, "\t"),
]
TEXTS = st.lists(st.sampled_from(TOKENS), max_size=25).map(" ".join) | st.text(max_size=30)


@pytest.mark.parametrize("name", SETS)
@settings(max_examples=400)
@given(text=TEXTS, frame=st.sampled_from(["", " "]))
@example(text='. @-@ "', frame="")  # the mark between two tokens, the second of which stands alone
def test_any_text_is_given_back(name, text, frame):
    detokenize = SETS[name]
    text = "\n".join(f"{frame}{line}{frame}" for line in text.split("\n"))
    written = detokenize(text)
    assert detokenize.restore(written) == text
    assert written.count("\n") == text.count("\n")


@pytest.mark.parametrize(
    ("name", "tokens", "text"),
    [
        ("wikitext", " a guest @-@ starring role ", "a guest-starring role"),
        ("wikitext", " <unk> @-@ like , 1 @,@ 000 @.@ 5 ", "<unk>-like, 1,000.5"),
        (
            "wikitext",
            ' the episode , " Teddy \'s Story " , of <unk> . ',
            'the episode, "Teddy\'s Story", of <unk>.',
        ),
        ("wikitext", " Doctors ( 2006 ) ; it wasn 't [ 1 ] ! ", "Doctors (2006); it wasn't [1]!"),
        ("wikitext", " = = = 2000 to 2005 = = = ", "=== 2000 to 2005 ==="),
        ("wikitext", " the actors ' roles at 5 ° : cold ", "the actors' roles at 5°: cold"),
        ("wikitext", " $ 5 and £ 6 ", "$5 and £6"),
        ("wikitext", " of the U.S. , by Mr. Co Inc. . ", "of the U.S., by Mr. Co Inc.."),
        ("wikitext", " \n = Title = \n \n Text . \n", "\n= Title =\n\nText.\n"),
        ("ptb", " no it was n't \n $ N mr. he 's \n", "no it wasn't\n$N mr. he's\n"),
        ("lm1b", "Elias Khoury 's son , paid $ 7.3bn .", "Elias Khoury's son, paid $7.3bn."),
        ("lm1b", 'He did n\'t say " no " ( yes ) ?\n', 'He didn\'t say "no" (yes)?\n'),
    ],
)
def test_what_is_written_reads_as_by_an_author(name, tokens, text):
    assert SETS[name](tokens) == text


@pytest.mark.parametrize(
    ("name", "file", "most_per_million"),
    [
        ("wikitext", "wikitext2/wiki.test.tokens", 100),
        ("wikitext", "wikitext103/wiki.valid.tokens", 500),
        ("ptb", "ptb/ptb.test.txt", 0),
        ("lm1b", "lm1b/news.en.heldout.sample.txt", 0),
    ],
)
def test_the_published_files_are_given_back_and_hardly_a_token_needs_a_mark(
    benchmarks, name, file, most_per_million
):
    text = (benchmarks / file).read_text()
    written = SETS[name](text)
    assert SETS[name].restore(written) == text
    assert 1e6 * written.count(AS_IT_IS) / len(text.split()) <= most_per_million
    assert len(written.split()) < len(text.split())
