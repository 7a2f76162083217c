"""What the exact direction writes: every hit with its spans, exact counts, and texts to show."""

from typing import Final

import pyarrow as pa

from dedup.overlap.measure import OVERLAP

MATCHES: Final = pa.schema(
    [
        ("text_set", pa.string()),  # slug
        ("example", pa.int64()),  # its place in the text set, counted from 0
        ("part", pa.string()),
        ("document", pa.string()),  # id
        ("url", pa.string()),
        ("document_chars", pa.int64()),
        # Spans in characters of the texts as stored; end is behind the last one.
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("example_start", pa.int64()),
        ("example_end", pa.int64()),
        ("num_words", pa.int64()),
        ("num_ngrams", pa.int64()),
        ("num_boilerplate", pa.int64()),  # those of them found in many documents
    ]
)

COUNTS: Final = pa.schema(
    [
        *OVERLAP,
        ("num_boilerplate", pa.int64()),  # of those found, the ones in many documents
    ]
)

PARTS: Final = pa.schema(
    [
        ("text_set", pa.string()),
        ("example", pa.int64()),
        ("part", pa.string()),
        ("text", pa.large_string()),
    ]
)


def is_boilerplate(match: dict) -> bool:
    """Whether a row of `MATCHES` holds nothing but n-grams of many documents: no contamination."""
    return match["num_boilerplate"] == match["num_ngrams"]
