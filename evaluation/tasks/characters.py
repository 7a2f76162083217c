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
from evaluation.metric import Metric, column, ratio
from evaluation.task import Row, Subject, Task, Variant, benchmarks_folder
from evaluation.tasks.one_stream import UNITS, Part, measure_stream


def measure_characters(subject: Subject, name: CharacterSet) -> Iterator[Row]:
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


def _task(name: CharacterSet, metric: Metric) -> Task:
    words = "the last 5,000,000 of the file as one stream"
    variant = Variant("published", words, partial(measure_characters, name=name))
    return Task(name, 1, UNITS, (metric,), (variant,), is_rolling=True)


_UNITS: Final = column("num_units")
ENWIK8: Final = _task("enwik8", ratio("bits_per_byte", "bytes of UTF-8", _bits, _UNITS))
TEXT8: Final = _task("text8", ratio("bits_per_character", "a-z and space", _bits, _UNITS))
