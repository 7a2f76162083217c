"""The Children's Book Test: which of ten words is left out of the sentence after twenty others."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Final

import numpy as np
import pyarrow as pa

from corpus.benchmarks.questions import CbtWords, Cloze, cbt_questions
from evaluation.metric import percent
from evaluation.scoring.requests import split_common
from evaluation.task import Row, Subject, Task, Variant, benchmarks_folder, nothing_to_score
from evaluation.tasks.detokenizers import book_text


def measure_cbt(subject: Subject, words: CbtWords, written: Callable[[str], str]) -> Iterator[Row]:
    """The likeliest of the candidates, each in its place and with the rest of its sentence.

    As in the paper (section 3.2). All texts of a question begin alike, so the rests are compared.
    Of two alike the first is taken.

    Args:
        subject: The model.
        words: Common nouns or named entities.
        written: What becomes of a text before it is scored.

    Raises:
        NotAvailableError: the file is missing.
        NoExamplesError: it is empty, or no benchmarks folder was named.
    """
    some = islice(cbt_questions(benchmarks_folder(subject), words), subject.max_examples)
    clozes = list(some)
    if not clozes:
        raise nothing_to_score()
    encode, end_of_text = subject.tokenizer.encode, subject.tokenizer.end_of_text
    questions = [
        split_common([[end_of_text, *encode(written(text))] for text in completed(cloze)])
        for cloze in clozes
    ]
    for cloze, scores in zip(clozes, subject.scorer.choices(questions), strict=True):
        answer = cloze.candidates.index(cloze.answer)
        yield {
            "nats": -scores[answer].logprob,
            "num_tokens": len(scores[answer].logprobs),
            "is_correct": int(np.argmax([score.logprob for score in scores])) == answer,
        }


def completed(cloze: Cloze) -> list[str]:
    """The whole text with each candidate."""
    passage = cloze.passage.replace("\n", " ")
    return [f"{passage} {cloze.with_word(word)}" for word in cloze.candidates]


def _task(name: str, words: CbtWords) -> Task:
    measure = partial(measure_cbt, words=words)
    variants = (
        Variant("detokenised", "de-tokenised", partial(measure, written=book_text)),
        Variant("raw", "as published", partial(measure, written=str)),
    )
    right = percent("accuracy_percent", "validation, candidate and rest of sentence", "is_correct")
    return Task(name, 1, (("is_correct", pa.bool_()),), (right,), variants)


CBT_CN: Final = _task("cbt_cn", "CN")
CBT_NE: Final = _task("cbt_ne", "NE")
