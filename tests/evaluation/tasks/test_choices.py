"""Multiple choice: who knows the answers gets 100 %, who guesses gets the chance level."""

import math
import random

import pytest

from corpus.benchmarks.questions import cbt_questions, winograd_schemas
from evaluation.tasks.cbt import CBT_CN, CBT_NE, completed
from evaluation.tasks.detokenizers import book_text
from evaluation.tasks.winograd import WINOGRAD
from tests.evaluation.scripted_model import ScriptedModel

NUM_QUESTIONS = 200


@pytest.fixture(scope="module")
def many_questions(benchmarks, tmp_path_factory):
    """The real questions of the Children's Book Test, again and again, the answer elsewhere."""
    folder, shuffled = tmp_path_factory.mktemp("benchmarks"), random.Random(0)
    (folder / "cbt").mkdir()
    (folder / "wsc273").symlink_to(benchmarks / "wsc273")
    for words in ("CN", "NE"):
        sample = (benchmarks / "cbt" / f"cbtest_{words}_valid.sample.txt").read_text()
        head, _, candidates = sample.rstrip().rpartition("\t")
        with (folder / "cbt" / f"cbtest_{words}_valid_2000ex.txt").open("w") as file:
            for _ in range(NUM_QUESTIONS):
                names = candidates.split("|")
                shuffled.shuffle(names)
                file.write(f"{head}\t{'|'.join(names)}\n\n")
    return folder


def true_texts(folder):
    """The right text of each question, as a model reads it."""
    texts = set()
    for words in ("CN", "NE"):
        for cloze in cbt_questions(folder, words):
            texts.add(book_text(completed(cloze)[cloze.candidates.index(cloze.answer)]))
    for schema in winograd_schemas(folder):
        texts.add(f"{schema.beginnings[schema.answer]} {schema.end}")
    return texts


def percents(task, subject, scored):
    scores = scored(task, subject)
    return {name: score.value for name, score in scores.items() if name.startswith("accuracy")}


@pytest.mark.parametrize("task", [CBT_CN, CBT_NE, WINOGRAD], ids=lambda task: task.name)
def test_a_model_given_the_answers_gets_100_percent(task, many_questions, tokenizer, scored):
    known = true_texts(many_questions)
    model = ScriptedModel(tokenizer, str, lambda text: 1.0 if text in known else 0.1)
    for value in percents(task, model.subject(many_questions), scored).values():
        assert value == 100


@pytest.mark.parametrize(
    ("task", "chance"), [(CBT_CN, 10), (CBT_NE, 10), (WINOGRAD, 50)], ids=lambda each: str(each)[:9]
)
def test_a_model_that_guesses_gets_the_chance_level(
    task, chance, many_questions, tokenizer, scored
):
    guesses = random.Random(1)
    model = ScriptedModel(tokenizer, str, lambda text: 1 - guesses.random())
    found = percents(task, model.subject(many_questions), scored)
    num_examples = len(list(task.variants[0].measure(model.subject(many_questions))))
    sigma = math.sqrt(chance * (100 - chance) / num_examples)
    for value in found.values():
        assert abs(value - chance) < 3 * sigma
