"""Each quality rule at its threshold, and what the presets do to real pages."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from crawler.documents import quality
from crawler.documents.draft import Draft
from crawler.documents.language import Language, identify_language
from crawler.documents.quality import PRESETS, PresetName
from crawler.documents.verdict import LineRule, Rule, Verdict, judge
from crawler.links.rules import Rules, RulesConfig

ENGLISH = Language("en", 1.0)
RULES = {rule for preset in PRESETS.values() for rule in (*preset.rules, *preset.final_rules)}
LINE_RULES = {rule for preset in PRESETS.values() for rule in preset.line_rules}


def draft(text: str, *urls: str) -> Draft:
    return Draft(text, ENGLISH, urls)


def words(num: int, start: int = 0) -> str:
    """Different words of five letters."""
    return " ".join(f"w{index:04d}" for index in range(start, start + num))


def lines(*groups: tuple[int, str]) -> str:
    return "\n".join(line for num, line in groups for _ in range(num))


# A rule, the worst text that it lets pass, and the best one that it does not.
AT_THE_THRESHOLD: list[tuple[Rule, str, str]] = [
    (quality.too_few_tokens, words(60)[:-1], words(59)),  # a word of letters and digits is two
    (quality.too_few_words, words(50), words(49)),
    (quality.too_many_words, "a " * 100_000, "a " * 100_001),
    (quality.odd_word_length, "abc abc", "abc ab"),
    (quality.odd_word_length, "0123456789 0123456789", "0123456789 01234567890"),
    (quality.too_many_symbols, words(10) + "#", words(10) + "##"),
    (quality.too_many_symbols, words(20) + "\u2026...", words(20) + "\u2026......"),
    (quality.too_many_symbols, words(10) + "#...", words(9) + "#..."),
    (quality.too_many_bullets, lines((9, "- a"), (1, "a")), lines((10, "\u2022 a"), (1, "a"))),
    (quality.too_many_cut_lines, lines((3, "a..."), (7, "a")), lines((4, "a\u2026"), (9, "a"))),
    (quality.too_few_letters, "a1 b2 c3 d4 55", "a1 b2 c3 55 66"),
    (quality.too_few_stop_words, "The boat and wall", "the boat the wall"),
    (quality.duplicate_lines, lines((4, "a"), *((1, c) for c in "bcdefg")), "a\n" * 4 + "b\nc"),
    (quality.duplicate_paragraphs, "a\n\n" * 4 + "b\n\nc\n\nd\n\ne\n\nf\n\ng", "a\n\na\n\nb"),
    (quality.duplicate_paragraph_chars, "a\n\na\n\nbb", "aa\n\naa\n\nb"),
    # 2 x 10 of 100 letters; 2 x 10 of 95 letters.
    (
        quality.frequent_ngram,
        f"{words(2)} {words(2)} {words(16, 2)}",
        f"{words(2)} " * 2 + words(15, 2),
    ),
    # Of 100 words, five are said again: 5 of 105, and of 31: 5 of 33 are 0.152.
    (quality.duplicate_ngrams, f"{words(100)} {words(5)}", f"{words(28)} {words(5)}"),
    (quality.lorem_ipsum, "Lorem and ipsum", "Then Lorem Ipsum dolor"),
    (quality.curly_bracket, "f(x) = [1]", "f(x) {"),
    (quality.too_few_sentences, "One. Two! Three?", "One. Two! Three"),
    (quality.too_few_punctuated, lines((13, "a."), (87, "a")), lines((12, "a."), (88, "a"))),
    # One of 11 letters was there before; one of 10.
    (quality.duplicate_line_chars, "a\na\nbbbbbbbbb", "a\na\nbbbbbbbb"),
    (
        quality.too_many_short_lines,
        lines((66, "a" * 29), (34, "a" * 30)),
        lines((67, "a" * 29), (33, "a" * 30)),
    ),
]

LINES_AT_THE_THRESHOLD: list[tuple[LineRule, str, str]] = [
    (quality.clean_unpunctuated, 'He said "no"', "He said no"),
    (quality.clean_unpunctuated, "He said \u201cno\u201d", "He said no;"),
    (quality.clean_unpunctuated, "Is it so?!", "Read more..."),
    (quality.clean_unpunctuated, "It is.", "And then\u2026"),
    (quality.clean_short, "This line has five words.", "This one has four."),
    (quality.clean_javascript, "A script in Java.", "Please enable JavaScript."),
    (quality.clean_policy, "The cookies were baked by hand.", "This site uses cookies."),
    (quality.clean_policy, "His terms were hard to use.", "See our Terms of Use."),
    (quality.clean_policy, "It is the policy of the state.", "Our PRIVACY POLICY has changed."),
]


@pytest.mark.parametrize(("rule", "kept", "rejected"), AT_THE_THRESHOLD)
def test_a_rule_rejects_what_is_past_its_threshold_and_nothing_before(rule, kept, rejected):
    assert rule(draft(kept)) is None
    assert rule(draft(rejected)) is not None


@pytest.mark.parametrize(("rule", "kept", "taken"), LINES_AT_THE_THRESHOLD)
def test_a_line_rule_takes_what_is_past_its_threshold_and_nothing_before(rule, kept, taken):
    assert rule(kept)
    assert not rule(taken)


def test_every_rule_of_a_preset_is_tested_and_names_its_source():
    of_meta_data = {quality.wikipedia, quality.not_english, quality.not_surely_english}
    assert {rule for rule, *_ in AT_THE_THRESHOLD} | of_meta_data == RULES
    assert {rule for rule, *_ in LINES_AT_THE_THRESHOLD} == LINE_RULES
    for rule in RULES | LINE_RULES:
        source = (rule.__doc__ or "").partition(":")[0].partition(",")[0]
        assert source in {"GPT-2", "OpenWebText", "Gopher", "C4", "FineWeb"}, rule.__name__


@pytest.mark.parametrize(("n", "most"), [(3, 50), (4, 75)])
def test_frequent_ngrams_have_their_own_limit_for_each_length(n, most):
    """Three times three words of 50 are 18 %, three times four of 75 are 16 %."""
    again = f"{words(n)} " * 3
    assert quality.frequent_ngram(draft(again + words(most - 3 * n, n))) is None
    found = quality.frequent_ngram(draft(again + words(most - 3 * n - 1, n)))
    assert (found or "").startswith(f"{n}-gram ")


def test_a_long_passage_is_caught_by_the_longer_ngrams():
    """12 of 100 words: below the limits of 5- to 8-grams, above those of 9- and 10-grams."""
    found = quality.duplicate_ngrams(draft(f"{words(88)} {words(12)}"))
    assert found == "9-grams 0.12"


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://en.wikipedia.org/wiki/Web",
            "https://de.m.wikipedia.org./",
            "http://wikipedia.org",
        ),
        *("https://www.wiki2.org/en/Web", "http://infogalactic.com/info/Web"),
    ],
)
def test_wikipedia_and_its_mirrors_are_known_by_any_address_of_a_page(url):
    assert quality.wikipedia(draft("A web.", "http://example.org/", url)) == url
    assert Rules(RulesConfig()).reject_url(url.replace("org.", "org")) is not None


@pytest.mark.parametrize(
    "url", ["http://notwikipedia.org/", "http://example.org/wikipedia.org/", "http://[", "x", ""]
)
def test_an_address_that_only_looks_like_wikipedia_is_none(url):
    assert quality.wikipedia(draft("A web.", url)) is None


@pytest.mark.parametrize(
    "mark",
    [
        "From Wikipedia, the free encyclopedia",
        "  (From Wikipedia, the free encyclopedia.)",
        "It uses material from the Wikipedia article \u201cWeb\u201d.",
        "Retrieved from \u201chttps://en.wikipedia.org/w/index.php?title=Web\u201d",
    ],
)
def test_a_mirror_is_known_by_what_its_licence_makes_it_say(mark):
    assert quality.wikipedia(draft(f"Web\n{mark}\nA web is made by a spider.")) is not None


@pytest.mark.parametrize(
    "line",
    [
        "I looked it up in Wikipedia, the free encyclopedia, and it was wrong.",
        "He quotes from Wikipedia, the free encyclopedia that anyone can edit.",
        "See https://en.wikipedia.org/wiki/Web for more.",
    ],
)
def test_a_text_that_speaks_of_wikipedia_is_kept(line):
    assert quality.wikipedia(draft(f"A post\n{line}\nThe end.")) is None


def test_the_language_decides_and_in_strict_its_confidence():
    german, unsure = Draft("x", Language("de", 0.9)), Draft("x", Language("en", 0.64))
    assert quality.not_english(german) == "de 0.90"
    assert quality.not_english(unsure) is None
    assert quality.not_surely_english(unsure) == "en 0.64"
    assert quality.not_surely_english(Draft("x", Language("en", 0.65))) is None


def test_strict_takes_lines_away_and_judges_what_is_left():
    story = " ".join(f"The {words(8, 9 * i)} of {words(1, 9 * i + 8)}." for i in range(12))
    text = f"The ferry\n{story}\nPlease enable Javascript to read all of this.\nRead more..."
    taken = Counter(clean_unpunctuated=2, clean_javascript=1)
    assert judge(draft(text), PRESETS["strict"]) == Verdict(story, "", "", taken)

    headings = story.replace(". ", "\n").removesuffix(".")
    found = judge(draft(f"{headings}\nIt is so.\nSo it is."), PRESETS["strict"])
    assert (found.reason, found.text) == ("too_few_words", "")


def verdicts(real_data: Path, preset: PresetName) -> Counter[str]:
    pages = json.loads((real_data / "web" / "ground-truth.json").read_bytes())
    found: Counter[str] = Counter()
    for page in pages.values():
        text = page["articleBody"]
        mine = Draft(text, identify_language(text), (page["url"],))
        found[judge(mine, PRESETS[preset]).reason] += 1
    return found


@pytest.mark.parametrize(
    ("preset", "rejected"),
    [
        ("webtext", {"not_english": 20}),
        ("openwebtext", {"not_english": 20, "too_few_tokens": 6}),
        (
            "strict",
            {
                "not_english": 20,
                "too_few_tokens": 6,
                "duplicate_line_chars": 1,
                "duplicate_lines": 1,
                "too_few_letters": 1,
                "too_few_punctuated": 1,
            },
        ),
    ],
)
def test_of_181_gold_texts_each_preset_rejects_these(preset, rejected, real_data):
    assert verdicts(real_data, preset) == Counter(rejected) + Counter(
        {"": 181 - sum(rejected.values())}
    )


@settings(max_examples=150)
@given(
    st.text(st.one_of(st.characters(), st.sampled_from(" \n.#{\u2026-ab")), max_size=400),
    st.text(max_size=30),
    st.sampled_from([*PRESETS]),
)
def test_no_rule_raises_on_any_text_and_none_vanishes(text, url, preset):
    for rule in RULES:
        rule(draft(text, url))
    found = judge(draft(text, url), PRESETS[preset])
    gone = Counter(text.split()) - Counter(found.text.split())
    assert not gone or found.lines_taken
