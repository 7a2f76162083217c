"""enwik8 and text8, the last five million of Wikipedia's bytes: bits per byte and per character.

Nothing of them was split into tokens. The paper does not say which part it scores; the last 5 %
is the test set of those it compares itself with (Mikolov et al. 2012; Graves 2013).
"""

import math
from collections.abc import Iterator
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa

from corpus.benchmarks.language_modeling import CharacterSet, character_pieces
from evaluation.examples import Example
from evaluation.metric import Metric, column
from evaluation.one_stream import Part, measure_stream
from evaluation.task import Subject, Task, benchmarks_folder


def measure_characters(subject: Subject, name: CharacterSet) -> Iterator[Example]:
    """Each piece's part of the loss, the pieces end to end as one stream.

    Raises:
        NotAvailableError: the file is missing.
        NoExamplesError: no benchmarks folder was named.
        WebtextError: it has not the published number of bytes.
    """
    pieces = character_pieces(benchmarks_folder(subject), name)
    return measure_stream(subject, (Part(piece, len(piece.encode())) for piece in pieces))


def _bits(examples: pa.Table) -> np.ndarray:
    return column("nats")(examples) / math.log(2)


_PROTOCOL: Final = "the last 5,000,000 of the file as one stream, stride {stride}"
_UNITS: Final = column("num_units")
ENWIK8: Final = Task(
    "enwik8",
    (Metric("bits_per_byte", f"bytes of UTF-8, {_PROTOCOL}", _bits, _UNITS),),
    partial(measure_characters, name="enwik8"),
)
TEXT8: Final = Task(
    "text8",
    (Metric("bits_per_character", f"a-z and space, {_PROTOCOL}", _bits, _UNITS),),
    partial(measure_characters, name="text8"),
)
