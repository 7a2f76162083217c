"""The sets that ask are read from their official layouts, which the real samples have."""

import json
import shutil
from pathlib import Path

import pytest

from corpus.benchmarks.files import NotAvailableError
from corpus.benchmarks.questions import (
    CNNDM_FILE,
    COQA_FILE,
    NQ_OPEN_FILE,
    WSC273_FILE,
    cbt_questions,
    cnndm_summaries,
    coqa_annotations,
    coqa_conversations,
    nq_open_questions,
    wsc_sentences,
)
from corpus.errors import WebtextError


@pytest.fixture
def folder_with(benchmarks, tmp_path):
    """A benchmarks folder in which `sample` has the official name."""

    def make(sample: str, official: str) -> Path:
        (tmp_path / official).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(benchmarks / sample, tmp_path / official)
        return tmp_path

    return make


def test_winograd_schemas_are_the_273_of_the_paper(benchmarks):
    sentences = list(wsc_sentences(benchmarks))
    assert len(sentences) == 273
    assert sentences[0] == (
        "The city councilmen refused the demonstrators a permit because they feared violence."
    )


def test_open_questions_keep_all_their_answers(benchmarks):
    questions = list(nq_open_questions(benchmarks))
    assert len(questions) == 3610
    assert questions[0].question == "when was the last time anyone was on the moon"
    assert questions[0].answers == ("14 December 1972 UTC", "December 1972")


@pytest.mark.parametrize(
    ("sample", "conversations", "questions"),
    [("coqa-dev-v1.0.sample1.json", 1, 12), ("coqa-dev-subset50.json", 50, 793)],
)
def test_conversations_have_an_answer_per_question(sample, conversations, questions, folder_with):
    read = list(coqa_conversations(folder_with(f"coqa/{sample}", COQA_FILE)))
    assert len(read) == conversations
    assert sum(len(each.questions) for each in read) == questions
    assert all(len(each.questions) == len(each.answers) for each in read)


def test_annotations_are_the_answers_of_all_who_were_asked(folder_with):
    folder = folder_with("coqa/coqa-dev-v1.0.sample1.json", COQA_FILE)
    [annotation], [conversation] = coqa_annotations(folder), coqa_conversations(folder)
    assert annotation.domain == "mctest"
    assert annotation.references[4] == (
        "orange and white",
        "orange with white tiger stripes",
        "orange",
        "orange",
    )
    assert tuple(each[0] for each in annotation.references) == conversation.answers


def test_a_set_with_one_annotator_has_one_reference_each(folder_with):
    folder = folder_with("coqa/coqa-dev-subset50.json", COQA_FILE)
    annotations = list(coqa_annotations(folder))
    assert {each.domain for each in annotations} == {
        *("cnn", "gutenberg", "mctest", "race", "wikipedia")
    }
    assert {len(answers) for each in annotations for answers in each.references} == {1}


@pytest.mark.parametrize(
    ("conversation", "problem"),
    [
        ({"additional_answers": {"0": []}}, "has not 1 answers"),
        ({"answers": []}, "has not 1 answers"),
        ({"answers": [{}]}, "incomplete"),
        ({"additional_answers": []}, "incomplete"),
    ],
)
def test_an_annotator_who_left_out_a_question_is_an_error(conversation, problem, tmp_path):
    turn = [{"input_text": "text"}]
    whole = {"id": "1", "source": "cnn", "story": "s", "questions": turn, "answers": turn}
    (tmp_path / COQA_FILE).parent.mkdir()
    (tmp_path / COQA_FILE).write_text(json.dumps({"data": [whole | conversation]}))
    with pytest.raises(WebtextError, match=problem):
        list(coqa_annotations(tmp_path))


@pytest.mark.parametrize("words", ["CN", "NE"])
def test_a_cloze_has_twenty_sentences_and_its_word_is_a_candidate(words, folder_with):
    folder = folder_with(
        f"cbt/cbtest_{words}_valid.sample.txt", f"cbt/cbtest_{words}_valid_2000ex.txt"
    )
    questions = list(cbt_questions(folder, words))
    assert questions
    for cloze in questions:
        assert len(cloze.passage.split("\n")) == 20
        assert cloze.question.count("XXXXX") == 1
        assert cloze.answer in cloze.candidates
        assert len(cloze.candidates) == 10
        assert cloze.answer in cloze.completed
        assert "XXXXX" not in cloze.completed


def test_articles_come_with_their_highlights(folder_with):
    read = list(cnndm_summaries(folder_with("cnndm/cnndm-train-sample100.csv", CNNDM_FILE)))
    assert len(read) == 100
    assert all(len(each.article) > len(each.highlights) > 0 for each in read)


@pytest.mark.parametrize(
    ("file", "read"),
    [
        (WSC273_FILE, wsc_sentences),
        (NQ_OPEN_FILE, nq_open_questions),
        (COQA_FILE, coqa_conversations),
        (COQA_FILE, coqa_annotations),
        (CNNDM_FILE, cnndm_summaries),
        ("cbt/cbtest_CN_valid_2000ex.txt", lambda folder: cbt_questions(folder, "CN")),
    ],
)
def test_a_missing_or_foreign_file_says_where_to_get_it(file, read, tmp_path):
    with pytest.raises(NotAvailableError, match="missing"):
        list(read(tmp_path))
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text("something\nelse\n" + "21 no question\n" * 30)
    with pytest.raises(WebtextError, match="published format") as caught:
        list(read(tmp_path))
    assert "Get it again from" in caught.value.hint
