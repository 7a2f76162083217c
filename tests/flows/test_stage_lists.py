"""A stage is known wherever stages are listed: the lists of docs/extend.md, "A stage"."""

from flows import build_corpus, decontaminate_corpus
from flows.corpora.summary import CORPUS_STAGES
from flows.reports.repeat_commands import SECTIONS
from flows.run_stage import Stage
from flows.takedown.plan import DERIVED, REJECT_KEYS

MADE = {
    value.name
    for module in (build_corpus, decontaminate_corpus)
    for value in vars(module).values()
    if isinstance(value, Stage)
}


def test_a_takedown_reaches_every_stage_that_holds_text():
    # Links hold addresses and no text; the demo's web stands for the real one (docs/takedown.md).
    assert MADE - {"web", "links"} == {*REJECT_KEYS, "ngrams"}
    assert "ngrams" in DERIVED


def test_the_funnel_shows_every_stage_from_links_to_tokens():
    assert set(CORPUS_STAGES) == MADE - {"web", "ngrams"}


def test_a_report_says_with_which_settings_every_stage_is_made_again():
    # How these came about is said in other words: `--extend`, `webtext overlap --mode`.
    others = {"extended", "decontaminated"}
    assert set(CORPUS_STAGES) - others <= SECTIONS.keys()
