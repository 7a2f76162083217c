"""Natural Questions: what the model reads, which answers are right, and how sure it was of them."""

import json
import math
from pathlib import Path

import pytest

from corpus.benchmarks.questions import NQ_OPEN_FILE, nq_open_questions
from corpus.tokenizer import Tokenizer
from evaluation.answers.confidence import calibration, most_confident
from evaluation.task import NoExamplesError
from evaluation.tasks.nq_open import EXAMPLE_PAIRS, NQ_OPEN, as_sentence
from tests.evaluation.scripted_model import ScriptedModel

VARIANTS = {variant.name: i for i, variant in enumerate(NQ_OPEN.variants)}
QUESTIONS = [
    {"question": "who wrote faust", "answer": ["Johann Wolfgang von Goethe", "Goethe"]},
    {"question": "who painted guernica", "answer": ["Picasso"]},
    {"question": "when was it painted", "answer": ["1937"]},
    {"question": "who painted les demoiselles d'avignon", "answer": ["Pablo Picasso", "Picasso"]},
    {"question": "who painted the weeping woman", "answer": ["Picasso"]},
]


@pytest.fixture(scope="module")
def gpt2(real_data) -> Tokenizer:
    return Tokenizer.load(real_data / "gpt2_bpe")


@pytest.fixture
def asked(tmp_path) -> Path:
    (tmp_path / NQ_OPEN_FILE).parent.mkdir()
    (tmp_path / NQ_OPEN_FILE).write_text("".join(f"{json.dumps(each)}\n" for each in QUESTIONS))
    return tmp_path


def last_question(prompt: str) -> str:
    return prompt.rpartition("Q: ")[2].removesuffix("\nA:")


def test_a_model_given_the_answers_gets_100_percent(benchmarks, gpt2, scored):
    answers = {
        as_sentence(question): min(answers, key=lambda answer: len(gpt2.encode(answer)))
        for question, answers in nq_open_questions(benchmarks)
    }
    model = ScriptedModel(gpt2, lambda prompt: f" {answers[last_question(prompt)]}\n\nQ:")
    scores = scored(NQ_OPEN, model.subject(benchmarks))
    assert scores["exact_match_percent"].value == 100
    assert scores["exact_match_percent"].num_examples == 3610
    assert scores["confident_accuracy_percent"].value == 100
    # The paper's baseline, "1.0 %", is of another choice of the questions.
    assert scores["most_common_percent"].value == pytest.approx(1.25, abs=0.01)


@pytest.mark.parametrize(
    ("variant", "num_pairs", "question"),
    [
        ("five_pairs", 5, "Who painted guernica?"),
        ("ten_pairs", 10, "Who painted guernica?"),
        ("as_published", 5, "who painted guernica"),
        ("no_pairs", 0, "Who painted guernica?"),
    ],
)
def test_a_prompt_is_example_pairs_and_the_question(
    variant, num_pairs, question, asked, gpt2, measured
):
    model = ScriptedModel(gpt2, lambda prompt: " Picasso\n")
    measured(NQ_OPEN, model.subject(asked), VARIANTS[variant])
    [prompt] = [each for each in model.prompts if "guernica" in each]
    *pairs, last = prompt.split("\n\n")
    assert last == f"Q: {question}\nA:"
    assert len(pairs) == num_pairs
    for pair, (_, answer) in zip(pairs, EXAMPLE_PAIRS, strict=False):
        assert pair.startswith("Q: ")
        assert pair.endswith(f"\nA: {answer}")


def test_no_example_pair_is_scored(benchmarks):
    examples = {question for question, _ in EXAMPLE_PAIRS}
    assert not examples & {question for question, _ in nq_open_questions(benchmarks)}


def test_a_line_is_the_answer_and_its_probability_the_confidence(asked, gpt2, measured, scored):
    said = {"faust": " goethe.\nQ: more", "guernica": " Picasso", "painted": " Goya\n"}
    sure = {" goethe.\n": 0.25, " Picasso\n": 0.875, " Goya\n": 0.5}
    model = ScriptedModel(
        gpt2,
        lambda prompt: said[next(word for word in said if word in last_question(prompt))],
        sure.__getitem__,
    )
    subject = model.subject(asked)
    examples = measured(NQ_OPEN, subject)
    assert examples["answer"].to_pylist() == ["goethe.", "Picasso", "Goya", "Goya", "Goya"]
    assert examples["is_correct"].to_pylist() == [True, True, False, False, False]
    assert examples["confidence"].to_pylist() == pytest.approx([0.25, 0.875, 0.5, 0.5, 0.5])
    assert examples["question_type"].to_pylist() == ["who", "who", "when", "who", "who"]
    assert math.exp(-examples["nats"][0].as_py()) == pytest.approx(0.25)
    assert examples["num_tokens"][0].as_py() == len(gpt2.encode(" goethe.\n"))

    scores = scored(NQ_OPEN, subject)
    assert scores["exact_match_percent"].value == pytest.approx(40)
    assert scores["confident_accuracy_percent"].value == 100  # the one of 0.875
    # "Picasso" (first references only) to those who ask who, "1937" to the one who asks when.
    assert scores["most_common_percent"].value == pytest.approx(80)
    assert most_confident(examples, 1)[0].question == "who painted guernica"
    assert [one.num_answers for one in calibration(examples)] == [1, 3, 1]
    assert {metric.value(examples.slice(0, 0)) for metric in NQ_OPEN.metrics} == {None}


@pytest.mark.parametrize("variant", VARIANTS.values())
def test_a_model_that_writes_at_random_is_never_right(variant, benchmarks, subject_of, measured):
    examples = measured(NQ_OPEN, subject_of(benchmarks=benchmarks, max_examples=30), variant)
    assert len(examples) == 30
    assert not any(examples["is_correct"].to_pylist())
    assert all(0 <= confidence < 1 for confidence in examples["confidence"].to_pylist())


def test_a_file_without_questions_has_no_score(asked, subject_of):
    (asked / NQ_OPEN_FILE).write_text("")
    with pytest.raises(NoExamplesError, match="empty"):
        list(NQ_OPEN.variants[0].measure(subject_of(benchmarks=asked)))
