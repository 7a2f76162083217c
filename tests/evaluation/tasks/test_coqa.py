"""CoQA: what the model reads, what of its text counts, and what that comes to."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from corpus.benchmarks.questions import COQA_FILE
from corpus.tokenizer import Tokenizer
from dedup.overlap.text_sets import TEXT_SETS
from evaluation.task import NoExamplesError
from evaluation.tasks.coqa import COQA, coqa_turns, first_line, first_sentence
from tests.evaluation.scripted_model import ScriptedModel

VARIANTS = {variant.name: i for i, variant in enumerate(COQA.variants)}


@pytest.fixture(scope="module")
def gpt2(real_data) -> Tokenizer:
    return Tokenizer.load(real_data / "gpt2_bpe")


@pytest.fixture
def folder_with(benchmarks, tmp_path):
    """A benchmarks folder in which a sample is CoQA's dev set."""

    def make(sample: str) -> Path:
        (tmp_path / COQA_FILE).parent.mkdir(exist_ok=True)
        shutil.copy(benchmarks / "coqa" / sample, tmp_path / COQA_FILE)
        return tmp_path

    return make


@pytest.fixture
def barn(tmp_path) -> Path:
    """A conversation of two turns."""
    turns = {
        "questions": ["Where is it?", "And the horse?"],
        "answers": ["in a barn", "out"],
    }
    conversation = {"id": "1", "source": "cnn", "story": "A cat in a barn. The horse is out."} | {
        part: [{"input_text": text} for text in texts] for part, texts in turns.items()
    }
    (tmp_path / COQA_FILE).parent.mkdir()
    (tmp_path / COQA_FILE).write_text(json.dumps({"data": [conversation]}))
    return tmp_path


def first_references(folder: Path, separator: str = "\n") -> dict[str, str]:
    """What a model says that knows the first annotator's answers."""
    return {
        turn.prompt: f" {turn.references[0]}\nQ: And?" for turn in coqa_turns(folder, separator)
    }


def test_a_model_given_the_answers_gets_100_percent(folder_with, gpt2, scored):
    folder = folder_with("coqa-dev-subset50.json")
    model = ScriptedModel(gpt2, first_references(folder).__getitem__)
    scores = scored(COQA, model.subject(folder))
    assert {name: score.value for name, score in scores.items()} == {
        "f1_percent": 100,
        "exact_match_percent": 100,
        "news_f1_percent": 100,
    }
    assert scores["f1_percent"].num_examples == 793


def test_on_the_published_sample_a_person_scores_as_reckoned_by_hand(folder_with, gpt2, scored):
    # Of 12 answers the first annotator's are those of nobody else in four. Their best F1 among the
    # others' is 5/6 ("with her mommy and 5 sisters"), 1/2 ("orange and white"), 0 ("the farmer",
    # where the others say "farmer's") and 6/7 ("a bucket of water"); a quarter of each turn.
    lost = (1 / 6 + 1 / 2 + 1 + 1 / 7) / 4
    folder = folder_with("coqa-dev-v1.0.sample1.json")
    model = ScriptedModel(gpt2, first_references(folder).__getitem__)
    scores = scored(COQA, model.subject(folder))
    assert scores["f1_percent"].value == pytest.approx(100 * (12 - lost) / 12)
    assert scores["exact_match_percent"].value == pytest.approx(100 * 11 / 12)
    assert "news_f1_percent" not in scores


@pytest.mark.parametrize(("variant", "line_end"), [("first_line", "\n"), ("blank_lines", "\n\n")])
def test_the_model_reads_the_passage_and_the_reference_answers(
    variant, line_end, barn, gpt2, measured
):
    model = ScriptedModel(gpt2, lambda prompt: " elsewhere")
    measured(COQA, model.subject(barn), VARIANTS[variant])
    lines = [
        "A cat in a barn. The horse is out.",
        "Q: Where is it?",
        "A: in a barn",
        "Q: And the horse?",
        "A:",
    ]
    assert sorted(model.prompts, key=len) == [
        line_end.join([*lines[:2], "A:"]),
        line_end.join(lines),
    ]


def test_of_a_text_too_long_the_history_and_the_question_stay(barn, gpt2, measured):
    model = ScriptedModel(gpt2, lambda prompt: " out", block_size=60)
    measured(COQA, model.subject(barn))
    longest = max(model.prompts, key=len)
    assert longest.endswith("\nQ: Where is it?\nA: in a barn\nQ: And the horse?\nA:")
    assert not longest.startswith("A cat")


@pytest.mark.parametrize(
    ("variant", "answers"),
    [
        ("first_line", ["Out. I think."]),
        ("first_sentence", ["Out."]),
        ("whole_text", ["Out. I think.\nQ: Why?"]),
    ],
)
def test_variants_differ_in_how_much_of_a_text_counts(variant, answers, barn, gpt2, measured):
    model = ScriptedModel(gpt2, lambda prompt: " Out. I think.\nQ: Why?")
    examples = measured(COQA, model.subject(barn), VARIANTS[variant])
    assert examples["answer"].to_pylist() == answers * 2


def test_a_blank_line_first_is_no_answer_but_where_lines_go_on(barn, gpt2, measured):
    model = ScriptedModel(gpt2, lambda prompt: "\nout\n")
    subject = model.subject(barn)
    assert measured(COQA, subject)["answer"].to_pylist() == ["", ""]
    by_lines = measured(COQA, subject, VARIANTS["blank_lines"])
    assert by_lines["f1"].to_pylist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        (" white\nQ: more", "white", "white"),
        ("\n\n In St. Ives! Yes. \n", "In St. Ives! Yes.", "In St. Ives!"),
        (" 3.5 metres? No", "3.5 metres? No", "3.5 metres?"),
        ("", "", ""),
    ],
)
def test_first_line_and_sentence(text, line, sentence):
    assert (first_line(text), first_sentence(text)) == (line, sentence)


def test_an_example_names_its_domain_and_its_conversation(folder_with, subject_of, measured):
    folder = folder_with("coqa-dev-subset50.json")
    examples = measured(COQA, subject_of(benchmarks=folder, max_examples=60))
    [overlap] = [each for each in TEXT_SETS if each.slug == COQA.name]
    assert overlap.items
    num_questions = [len(item["question"].split("\n")) for item in overlap.items(folder)]
    counts = Counter(examples["overlap_example"].to_pylist())
    assert len(examples) == 60
    assert [counts[i] for i in range(3)] == num_questions[:3]
    assert set(examples["domain"].to_pylist()) <= {
        "cnn",
        "gutenberg",
        "mctest",
        "race",
        "wikipedia",
    }


@pytest.mark.parametrize("variant", VARIANTS.values())
def test_a_model_that_writes_at_random_is_near_nothing(variant, folder_with, subject_of, scored):
    subject = subject_of(benchmarks=folder_with("coqa-dev-v1.0.sample1.json"))
    scores = scored(COQA, subject, variant)
    assert scores["f1_percent"].num_examples == 12
    assert 0 <= scores["f1_percent"].value < 10


def test_a_file_without_conversations_has_no_score(barn, subject_of):
    (barn / COQA_FILE).write_text('{"data": []}')
    with pytest.raises(NoExamplesError, match="empty"):
        list(COQA.variants[0].measure(subject_of(benchmarks=barn)))
