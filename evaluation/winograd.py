"""The Winograd schemas: who a pronoun stands for, by which name makes the likelier sentence."""

import math
from collections.abc import Iterator
from itertools import islice
from typing import Final

import numpy as np
import pyarrow as pa

from corpus.benchmarks.questions import Schema, winograd_schemas
from evaluation.examples import Example
from evaluation.metric import Column, Metric, column, each
from evaluation.one_stream import nothing_to_score
from evaluation.task import Subject, Task, benchmarks_folder


def measure_winograd(subject: Subject) -> Iterator[Example]:
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
    encode = subject.tokenizer.encode
    ends = [encode(f" {schema.end}") for schema in schemas]
    sentences = [
        encode(beginning) + end
        for schema, end in zip(schemas, ends, strict=True)
        for beginning in schema.beginnings
    ]
    logprobs = iter(list(subject.scorer.rolling_logprobs(sentences)))
    for number, (schema, end) in enumerate(zip(schemas, ends, strict=True)):
        yield _example(number, schema, [next(logprobs) for _ in schema.beginnings], len(end))


def _example(number: int, schema: Schema, logprobs: list[np.ndarray], end: int) -> Example:
    full = [math.fsum(of_a_candidate) for of_a_candidate in logprobs]
    partial = [math.fsum(of_a_candidate[-end:]) for of_a_candidate in logprobs]
    return Example(
        number,
        -partial[schema.answer],
        end,
        is_correct=int(np.argmax(partial)) == schema.answer,
        is_correct_full=int(np.argmax(full)) == schema.answer,
    )


def _percent(name: str) -> Column:
    def percent(examples: pa.Table) -> np.ndarray:
        return 100 * column(name)(examples)

    return percent


WINOGRAD: Final = Task(
    "wsc273",
    (
        Metric("accuracy_percent", "partial scoring", _percent("is_correct"), each),
        Metric("accuracy_full_percent", "full scoring", _percent("is_correct_full"), each),
    ),
    measure_winograd,
)
