"""A preset applied: the first objection decides, lines that are taken are counted."""

from collections import Counter

from hypothesis import given, strategies as st

from crawler.documents.draft import Draft
from crawler.documents.language import Language
from crawler.documents.verdict import Preset, Verdict, judge


def too_loud(draft: Draft) -> str | None:
    return "!" if "!" in draft.text else None


def too_long(draft: Draft) -> str | None:
    return f"{len(draft.words)} words" if len(draft.words) > 4 else None


def clean_numbers(line: str) -> bool:
    return not line.isdigit()


def clean_stars(line: str) -> bool:
    return not line.startswith("*")


def verdict(text: str, preset: Preset) -> Verdict:
    return judge(Draft(text, Language("en", 1.0)), preset)


def test_the_first_rule_that_objects_gives_the_reason():
    preset = Preset((too_long, too_loud))
    assert verdict("Go!", preset) == Verdict("Go!", "too_loud", "!")
    assert verdict("Go and go and go!", preset).reason == "too_long"
    assert verdict("Go", preset) == Verdict("Go")


def test_lines_that_are_taken_are_counted_by_the_first_rule_that_took_them():
    preset = Preset((), (clean_numbers, clean_stars))
    found = verdict("One\n\n 12 \n\n* two\n* 3\n\nThree", preset)
    assert found.text == "One\n\nThree"
    assert found.lines_taken == Counter(clean_stars=2, clean_numbers=1)


def test_a_text_that_loses_no_line_stays_as_it_is():
    text = " One \n\n\n\n two"
    assert verdict(text, Preset((), (clean_numbers,))) == Verdict(text)


def test_final_rules_see_what_is_left():
    preset = Preset((too_loud,), (clean_stars,), (too_long,))
    assert verdict("a b c d\n* e", preset).reason == ""
    assert verdict("a b c d e\n* f", preset) == Verdict(
        "a b c d e", "too_long", "5 words", Counter(clean_stars=1)
    )


def test_nothing_may_be_left():
    assert verdict("1\n2", Preset((), (clean_numbers,))).text == ""


@given(st.text(st.sampled_from("ab1* \n")))
def test_cleaning_again_takes_nothing(text):
    preset = Preset((), (clean_numbers, clean_stars))
    once = verdict(text, preset)
    again = verdict(once.text, preset)
    assert again == Verdict(once.text)
    assert len(once.text) <= len(text)
