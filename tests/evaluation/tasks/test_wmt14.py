"""Translations are asked for by examples, cut, and scored by BLEU as sacrebleu counts it."""

import math
from dataclasses import replace
from itertools import islice

import pyarrow as pa
import pytest
import sacrebleu
from hypothesis import given, settings, strategies as st

from corpus.benchmarks.files import NotAvailableError
from corpus.benchmarks.translations import wmt_translations
from corpus.tokenizer import Tokenizer
from evaluation.task import NoExamplesError, Subject
from evaluation.tasks.wmt14 import WMT14_EN_FR, WMT14_FR_EN, bleu_counts
from tests.evaluation.scripted_model import ScriptedModel

PAIRS_5, PAIRS_1, PAIRS_10, WHOLE_LINE = range(4)
[BLEU] = WMT14_EN_FR.metrics
WORDS = st.lists(st.sampled_from(["the", "cat", "sat", "on", "a", "mat", "."]), max_size=12)
TEXTS = WORDS.map(" ".join)


@pytest.fixture(scope="module")
def gpt2(real_data) -> Tokenizer:
    return Tokenizer.load(real_data / "gpt2_bpe")


@pytest.fixture
def writing(gpt2):
    """A model that always writes this."""

    def make(text: str = " Bon.", block_size: int = 1024) -> ScriptedModel:
        return ScriptedModel(gpt2, lambda prompt: text, block_size=block_size)

    return make


def first_of(model: ScriptedModel, benchmarks, max_examples: int = 1) -> Subject:
    return replace(model.subject(benchmarks), max_examples=max_examples)


def corpus_table(translations, references) -> pa.Table:
    pairs = zip(translations, references, strict=True)
    return pa.Table.from_pylist([bleu_counts(*pair) for pair in pairs])


def test_bleu_of_a_corpus_equals_one_counted_by_hand():
    # 6 words of 7; in common 5 of 6 words, 3 of 5 pairs, 2 of 4 threes, 1 of 3 fours.
    examples = corpus_table(["the cat sat on a mat"], ["the cat sat on the red mat"])
    precisions = (5 / 6, 3 / 5, 2 / 4, 1 / 3)
    brevity = math.exp(1 - 7 / 6)
    assert BLEU.value(examples) == pytest.approx(100 * brevity * math.prod(precisions) ** 0.25)


@settings(max_examples=60)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
def test_bleu_from_the_sums_of_counts_is_exactly_sacrebleus(pairs):
    translations, references = zip(*pairs, strict=True)
    value = BLEU.value(corpus_table(translations, references))
    if any(references):
        peer = sacrebleu.BLEU(smooth_method="none").corpus_score(translations, [references])
        assert value == peer.score
    else:
        assert value is None


def test_bleu_of_real_news_is_exactly_sacrebleus_default_and_has_an_interval(benchmarks):
    references = [line.french for line in islice(wmt_translations(benchmarks, 2014), 60)]
    translations = [" ".join(text.split()[1:]) for text in references]
    examples = corpus_table(translations, references)
    value = BLEU.value(examples)
    assert value == sacrebleu.corpus_bleu(translations, [references]).score
    interval, error = BLEU.interval(examples), BLEU.standard_error(examples)
    assert value is not None
    assert interval is not None
    assert error is not None
    assert interval[0] < value < interval[1]
    assert 0 < error < interval[1] - interval[0]


def test_a_figure_of_nothing_in_common_is_zero_and_has_no_error():
    examples = corpus_table(["x", "y z", ""], ["the cat", "sat on", "a mat"])
    assert BLEU.value(examples) == 0
    assert BLEU.standard_error(examples) is None
    assert BLEU.interval(examples) is None


@pytest.mark.parametrize("target", ["french", "english"])
def test_a_model_given_the_references_gets_100_percent(target, scored, benchmarks, gpt2):
    into_french = target == "french"
    answers = {
        (line.english if into_french else line.french): (
            line.french if into_french else line.english
        )
        for line in wmt_translations(benchmarks, 2014)
    }
    task = WMT14_EN_FR if into_french else WMT14_FR_EN
    model = ScriptedModel(gpt2, lambda prompt: f" {answers[asked_for(prompt)]}\nA = B")
    subject = first_of(model, benchmarks, max_examples=400)
    whole, first = (scored(task, subject, each)["bleu"].value for each in (WHOLE_LINE, PAIRS_5))
    assert whole == pytest.approx(100)
    # A few lines of the set have more than one sentence.
    assert 98 < first < whole


def test_the_prompt_is_example_pairs_and_the_sentence(writing, measured, benchmarks, gpt2):
    model = writing()
    measured(WMT14_EN_FR, first_of(model, benchmarks), PAIRS_1)
    assert model.prompts == [
        "A Republican strategy to counter the re-election of Obama"
        " = Une stratégie républicaine pour contrer la réélection d'Obama\n"
        "Spectacular Wingsuit Jump Over Bogota ="
    ]
    [prompt] = model.asked
    assert (prompt.max_new_tokens, prompt.top_k) == (200, None)
    assert {gpt2.end_of_text, *gpt2.encode("\n")} <= prompt.stop


def test_into_english_the_french_comes_first(writing, measured, benchmarks):
    model = writing()
    measured(WMT14_FR_EN, first_of(model, benchmarks), PAIRS_1)
    example, sentence = model.prompts[0].split("\n")
    assert example.startswith("Une stratégie républicaine")
    assert example.endswith(" = A Republican strategy to counter the re-election of Obama")
    assert sentence.endswith(" =")


@pytest.mark.parametrize(("variant", "pairs"), [(PAIRS_5, 5), (PAIRS_1, 1), (PAIRS_10, 10)])
def test_examples_are_short_and_as_many_as_said(variant, pairs, writing, measured, benchmarks):
    model = writing()
    measured(WMT14_EN_FR, first_of(model, benchmarks), variant)
    *examples, _ = model.prompts[0].split("\n")
    assert len(examples) == pairs
    assert all(len(side) <= 100 for example in examples for side in example.split(" = "))


def test_in_gpt_2s_block_ten_examples_fit_before_any_sentence(writing, measured, benchmarks):
    for task in (WMT14_EN_FR, WMT14_FR_EN):
        model = writing()
        measured(task, first_of(model, benchmarks, max_examples=3003), PAIRS_10)
        assert {prompt.count("\n") for prompt in model.prompts} == {10}


def test_where_the_block_is_small_whole_examples_are_left_out_from_the_first(
    writing, measured, benchmarks
):
    wide, narrow = writing(), writing(block_size=300)
    for model in (wide, narrow):
        measured(WMT14_EN_FR, first_of(model, benchmarks))
    [all_of_it], [some] = wide.prompts, narrow.prompts
    assert narrow.asked[0].num_inputs < 300
    assert 0 < some.count("\n") < all_of_it.count("\n")
    assert all_of_it.endswith(f"\n{some}")


def test_the_first_sentence_is_the_translation(writing, measured, benchmarks):
    subject = first_of(writing(" M. Petit est venu. Il est parti.\nLine = Ligne"), benchmarks)
    first, whole = (measured(WMT14_EN_FR, subject, each) for each in (PAIRS_5, WHOLE_LINE))
    assert first["translation"].to_pylist() == ["M. Petit est venu."]
    assert whole["translation"].to_pylist() == ["M. Petit est venu. Il est parti."]


def test_a_real_model_translates_the_first_sentences_alike_each_time(
    benchmarks, subject_of, measured
):
    for task in (WMT14_EN_FR, WMT14_FR_EN):
        examples = measured(task, subject_of(benchmarks=benchmarks, max_examples=6))
        assert len(examples) == 6
        assert max(examples["num_tokens"].to_pylist()) <= 16  # half of its block
        again = measured(task, subject_of(benchmarks=benchmarks, max_examples=6))
        assert examples.equals(again)


def test_what_is_not_there_is_said(writing, measured, tmp_path):
    subject = writing().subject(tmp_path)
    with pytest.raises(NotAvailableError, match=r"newstest2014\.eng is missing"):
        measured(WMT14_EN_FR, subject)
    (tmp_path / "wmt_fr_en").mkdir()
    for name in ("eng", "fra"):
        (tmp_path / "wmt_fr_en" / f"newstest2014.{name}").touch()
    with pytest.raises(NoExamplesError, match="empty"):
        measured(WMT14_EN_FR, subject)


def asked_for(prompt: str) -> str:
    return prompt.rpartition("\n")[2].removesuffix(" =")
