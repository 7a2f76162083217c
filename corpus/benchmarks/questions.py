"""The sets that ask: Winograd schemas, questions, conversations, clozes, articles to sum up.

Each is read as its publishers made it; what a task makes of it (prompts, blanks, candidates) is
the task's business.
"""

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final, Literal, NamedTuple
from xml.etree import ElementTree

import orjson

from corpus.benchmarks.files import benchmark_file, foreign, read_lines, read_objects

CbtWords = Literal["CN", "NE"]
"""What the blank of a Children's Book Test question stands for: common nouns or named entities."""

WSC273_FILE: Final = "wsc273/WSCollection.xml"
WINOGRAD_FILE: Final = "wsc273/winograd_wsc.jsonl"
NQ_OPEN_FILE: Final = "nq_open/NQ-open.dev.jsonl"
COQA_FILE: Final = "coqa/coqa-dev-v1.0.json"
CNNDM_FILE: Final = "cnndm/test.csv"

_NUM_SCHEMAS: Final = 273
_NUM_CONTEXT_SENTENCES: Final = 20
_BLANK: Final = "XXXXX"


class Schema(NamedTuple):
    """A sentence with each candidate in the place of its pronoun."""

    beginnings: tuple[str, ...]
    """The sentence up to and with the candidate."""
    end: str
    """The rest of it, the same for all."""
    answer: int
    """Which candidate is meant."""


class Question(NamedTuple):
    """An open question, and the answers that count as right."""

    question: str
    answers: tuple[str, ...]


class Conversation(NamedTuple):
    """A passage, the questions asked about it in turn, and the first reference's answers."""

    passage: str
    questions: tuple[str, ...]
    answers: tuple[str, ...]


class Annotation(NamedTuple):
    """What is known of a conversation beside its text."""

    domain: str
    """Where its passage comes from: `cnn`, `gutenberg`, `mctest`, `race` or `wikipedia`."""
    references: tuple[tuple[str, ...], ...]
    """Of each question all answers that people gave, the conversation's own first."""


class Cloze(NamedTuple):
    """Twenty sentences of a book, and the next one with a word left out."""

    passage: str
    """A sentence per line."""
    question: str
    """`XXXXX` stands for the word."""
    answer: str
    candidates: tuple[str, ...]

    @property
    def completed(self) -> str:
        """The sentence as the book has it."""
        return self.with_word(self.answer)

    def with_word(self, word: str) -> str:
        """The sentence with a word in the blank."""
        return self.question.replace(_BLANK, word)


class Summary(NamedTuple):
    """An article, and the highlights that its editors wrote."""

    article: str
    highlights: str


def wsc_sentences(folder: Path) -> Iterator[str]:
    """The first 273 Winograd schemas, the set that the paper scores, each with its pronoun.

    Raises:
        NotAvailableError: the file is missing.
        WebtextError: it is not the collection.
    """
    path = benchmark_file(folder, WSC273_FILE)
    try:
        schemas = ElementTree.parse(path).getroot().iter("schema")
    except ElementTree.ParseError as exc:
        raise foreign(path, f"it is not XML ({exc})") from exc
    for schema in islice(schemas, _NUM_SCHEMAS):
        parts = [schema.findtext(f"text/{name}") for name in ("txt1", "pron", "txt2")]
        yield " ".join(" ".join(part.split()) for part in parts if part)


def winograd_schemas(folder: Path) -> Iterator[Schema]:
    """The 273 Winograd schemas, candidates put in by hand ("his son" becomes "the son").

    Raises:
        NotAvailableError: the file is missing.
        WebtextError: a line is no schema.
    """
    path = benchmark_file(folder, WINOGRAD_FILE)
    for number, value in read_objects(path):
        try:
            schema = Schema(tuple(value["context_options"]), value["continuation"], value["gold"])
            schema.beginnings[schema.answer]
        except (KeyError, TypeError, IndexError) as exc:
            raise foreign(path, f"line {number} is no schema with candidates") from exc
        yield schema


def nq_open_questions(folder: Path) -> Iterator[Question]:
    """The 3,610 questions of Natural Questions open, dev.

    Raises:
        NotAvailableError: the file is missing.
        WebtextError: a line is no question with answers.
    """
    path = benchmark_file(folder, NQ_OPEN_FILE)
    for number, value in read_objects(path):
        try:
            yield Question(value["question"], tuple(value["answer"]))
        except (KeyError, TypeError) as exc:
            raise foreign(path, f"line {number} is no question with answers") from exc


def coqa_conversations(folder: Path) -> Iterator[Conversation]:
    """The 500 conversations of CoQA's dev set.

    Raises:
        NotAvailableError: the file is missing.
        WebtextError: it is not CoQA's JSON.
    """
    for path, conversation in _coqa_data(folder):
        try:
            questions, answers = (_texts(conversation[part]) for part in ("questions", "answers"))
            yield Conversation(conversation["story"], questions, answers)
        except (KeyError, TypeError) as exc:
            raise foreign(path, f"a conversation is incomplete ({exc})") from exc


def coqa_annotations(folder: Path) -> Iterator[Annotation]:
    """The domain and all reference answers of each conversation, in the order of those.

    The published dev set has four answers to a question: the first annotator's and three more.

    Raises:
        NotAvailableError: the file is missing.
        WebtextError: it is not CoQA's JSON, or an annotator left out a question.
    """
    for path, conversation in _coqa_data(folder):
        try:
            more = conversation.get("additional_answers", {}).values()
            answers = [_texts(each) for each in (conversation["answers"], *more)]
            num_questions = len(conversation["questions"])
            if any(len(each) != num_questions for each in answers):
                raise foreign(path, f"{conversation['id']} has not {num_questions} answers of each")
            yield Annotation(conversation["source"], tuple(zip(*answers, strict=True)))
        except (KeyError, TypeError, AttributeError) as exc:
            raise foreign(path, f"a conversation is incomplete ({exc})") from exc


def cbt_questions(folder: Path, words: CbtWords) -> Iterator[Cloze]:
    """The 2,000 validation questions of a Children's Book Test set, which the paper scores.

    Raises:
        NotAvailableError: the file is missing.
        WebtextError: a question is not twenty numbered sentences and one with a blank.
    """
    path = benchmark_file(folder, f"cbt/cbtest_{words}_valid_2000ex.txt")
    context: list[str] = []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        sentence = line.rstrip("\n").partition(" ")[2]
        if len(context) < _NUM_CONTEXT_SENTENCES:
            context.append(sentence)
            continue
        try:
            question, answer, _, candidates = sentence.split("\t")
        except ValueError as exc:
            raise foreign(path, f"line {number} is no question with candidates") from exc
        cloze = Cloze("\n".join(context), question, answer, tuple(candidates.split("|")))
        if cloze.answer not in cloze.candidates:
            raise foreign(path, f"line {number}: the answer is no candidate")
        yield cloze
        context = []


def cnndm_summaries(folder: Path) -> Iterator[Summary]:
    """The articles and highlights of CNN/Daily Mail's test set, in cased text.

    Raises:
        NotAvailableError: the file is missing.
        WebtextError: it has no columns "article" and "highlights".
    """
    path = benchmark_file(folder, CNNDM_FILE)
    try:
        rows = csv.DictReader(read_lines(path))
        for row in rows:
            if None in (row["article"], row["highlights"]):  # a row cut short
                raise foreign(path, f"line {rows.line_num} has not all columns")
            yield Summary(row["article"], row["highlights"])
    except (csv.Error, KeyError) as exc:
        raise foreign(path, f"no articles with highlights in it ({exc})") from exc


def _coqa_data(folder: Path) -> Iterator[tuple[Path, dict]]:
    path = benchmark_file(folder, COQA_FILE)
    try:
        conversations = [*orjson.loads(path.read_bytes())["data"]]
    except (orjson.JSONDecodeError, KeyError, TypeError) as exc:
        raise foreign(path, f"no conversations in it ({exc})") from exc
    for conversation in conversations:
        yield path, conversation


def _texts(turns: list[dict]) -> tuple[str, ...]:
    return tuple(turn["input_text"] for turn in turns)
