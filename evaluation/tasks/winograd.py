"""The Winograd schemas: who a pronoun stands for, by which name makes the likelier sentence."""

import math
from collections.abc import Iterator
from itertools import islice
from typing import Final

import numpy as np
import pyarrow as pa

from corpus.benchmarks.questions import Schema, winograd_schemas
from evaluation.metric import percent
from evaluation.scoring.requests import WindowScore, split_common
from evaluation.task import Row, Subject, Task, Variant, benchmarks_folder, nothing_to_score


def measure_winograd(subject: Subject) -> Iterator[Row]:
    """Each schema with either candidate in the pronoun's place, scored by Trinh & Le's two rules.

    Partial: the likelier end of the sentence, given its beginning with the candidate. Full: the
    likelier sentence. Of two alike the first is taken.

    Raises:
        NotAvailableError: the file is missing.
        NoExamplesError: it is empty, or no benchmarks folder was named.
    """
    some = islice(winograd_schemas(benchmarks_folder(subject)), subject.max_examples)
    schemas = list(some)
    if not schemas:
        raise nothing_to_score()
    encode, end_of_text = subject.tokenizer.encode, subject.tokenizer.end_of_text
    ends = [encode(f" {schema.end}") for schema in schemas]
    questions = [
        split_common([[end_of_text, *encode(beginning), *end] for beginning in schema.beginnings])
        for schema, end in zip(schemas, ends, strict=True)
    ]
    answers = subject.scorer.choices(questions)
    for schema, end, (_, rests), scores in zip(schemas, ends, questions, answers, strict=True):
        yield _row(schema, [len(rest) - len(end) for rest in rests], scores)


def _row(schema: Schema, num_before: list[int], scores: list[WindowScore]) -> Row:
    # What the sentences begin with alike is as probable in both.
    full = [score.logprob for score in scores]
    ends = [score.logprobs[n:] for n, score in zip(num_before, scores, strict=True)]
    partial = [math.fsum(end) for end in ends]
    return {
        "nats": -partial[schema.answer],
        "num_tokens": len(ends[schema.answer]),
        "is_correct": int(np.argmax(partial)) == schema.answer,
        "is_correct_full": int(np.argmax(full)) == schema.answer,
    }


WINOGRAD: Final = Task(
    "wsc273",
    1,
    (("is_correct", pa.bool_()), ("is_correct_full", pa.bool_())),
    (
        percent("accuracy_percent", "partial scoring", "is_correct"),
        percent("accuracy_full_percent", "full scoring", "is_correct_full"),
    ),
    (Variant("substituted", "candidates put in by hand", measure_winograd),),
)
