"""Natural Questions: what a model knows by heart, asked without a text to look it up in."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Final

import pyarrow as pa

from corpus.benchmarks.questions import Question, nq_open_questions
from evaluation.answers.confidence import is_most_confident
from evaluation.answers.exact_match import is_exact_match
from evaluation.answers.question_type import most_common_answers, question_type
from evaluation.metric import column, percent, ratio
from evaluation.task import Row, Subject, Task, Variant, benchmarks_folder, nothing_to_score
from evaluation.tasks.answer_line import LINE_END, answer_prompts

# The longest of the shortest right answers to each question has 18 of GPT-2's tokens.
_MAX_NEW_TOKENS: Final = 32

EXAMPLE_PAIRS: Final = (
    ("who wrote the play hamlet", "William Shakespeare"),
    ("when did the second world war end", "1945"),
    ("what is the chemical symbol of gold", "Au"),
    ("where is the great barrier reef", "Australia"),
    ("how many planets are there in the solar system", "eight"),
    ("which element has the atomic number 1", "hydrogen"),
    ("who discovered radium", "Marie Curie"),
    ("where was napoleon born", "Corsica"),
    ("when did columbus first cross the atlantic", "1492"),
    ("what is the square root of 144", "12"),
)
"""Questions and answers to begin a prompt with, in the style of the set; none is in its dev split.

The paper's own are unknown. Pairs of the train split need a file that scoring does not, and pairs
of the dev split could not be scored, so these were written for it.
"""


def measure_nq_open(
    subject: Subject, pairs: Sequence[tuple[str, str]], written: Callable[[str], str]
) -> Iterator[Row]:
    """The answer to each question, a line written greedily, and the model's confidence in it.

    The prompt begins with example pairs, from which the model learns that short answers are wanted
    (section 3.8). The paper's set is not quite this one: the questions with short answers were
    published on their own later (Lee et al. 2019). Confidence is the probability of the answer with
    its line end.

    Args:
        subject: The model.
        pairs: The examples.
        written: What becomes of a question, published as "who wrote hamlet", in the prompt.

    Raises:
        NotAvailableError: the file is missing.
        NoExamplesError: it is empty, or no benchmarks folder was named.
    """
    some = islice(nq_open_questions(benchmarks_folder(subject)), subject.max_examples)
    questions = list(some)
    if not questions:
        raise nothing_to_score()
    beginning = "".join(f"Q: {written(q)}\nA: {answer}\n\n" for q, answer in pairs)
    texts = (f"{beginning}Q: {written(each.question)}\nA:" for each in questions)
    prompts = answer_prompts(subject, texts, _MAX_NEW_TOKENS)
    answers = list(subject.scorer.generate(prompts))
    line_end = subject.tokenizer.encode(LINE_END)
    scores = subject.scorer.loglikelihood(
        (prompt.token_ids, [*answer, *line_end])
        for prompt, answer in zip(prompts, answers, strict=True)
    )
    common = most_common_answers(_typed_answers(questions))
    for question, token_ids, score in zip(questions, answers, scores, strict=True):
        answer = subject.tokenizer.decode(token_ids).strip()
        kind = question_type(question.question)
        yield {
            "nats": -score.logprob,
            "num_tokens": len(score.logprobs),
            "is_correct": is_exact_match(answer, question.answers),
            "is_most_common_correct": is_exact_match(common.get(kind, ""), question.answers),
            "confidence": math.exp(score.logprob),
            "question": question.question,
            "answer": answer,
            "question_type": kind,
        }


def as_sentence(question: str) -> str:
    """A question with a capital and a question mark, as the paper's table 5 prints them."""
    return f"{question[:1].upper()}{question[1:]}?"


def _typed_answers(questions: Sequence[Question]) -> Iterator[tuple[str, str]]:
    # The first reference alone: with all of them "one" and "1" would be two answers of a question.
    for question in questions:
        yield from ((question_type(question.question), each) for each in question.answers[:1])


def _variant(name: str, description: str, num_pairs: int, written: Callable[[str], str]) -> Variant:
    pairs = EXAMPLE_PAIRS[:num_pairs]
    return Variant(name, description, partial(measure_nq_open, pairs=pairs, written=written))


_RIGHT: Final = column("is_correct")

NQ_OPEN: Final = Task(
    "nq_open",
    1,
    (
        ("is_correct", pa.bool_()),
        ("is_most_common_correct", pa.bool_()),
        ("confidence", pa.float64()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("question_type", pa.string()),
    ),
    (
        percent("exact_match_percent", "dev, SQuAD's exact match", "is_correct"),
        ratio(
            "confident_accuracy_percent",
            "of the 1 % most confident answers",
            lambda examples: 100 * _RIGHT(examples) * is_most_confident(examples),
            is_most_confident,
        ),
        percent(
            "most_common_percent",
            "baseline: the set's most common answer by question word",
            "is_most_common_correct",
        ),
    ),
    (
        _variant("five_pairs", "five example pairs, questions as sentences", 5, as_sentence),
        _variant("ten_pairs", "ten example pairs, questions as sentences", 10, as_sentence),
        _variant("as_published", "five example pairs, questions as published", 5, str),
        _variant("no_pairs", "no example pairs, questions as sentences", 0, as_sentence),
    ),
)
