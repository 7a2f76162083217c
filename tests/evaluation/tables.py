"""Tables of examples as tasks measure them."""

import pyarrow as pa

COLUMNS = pa.schema(
    [
        ("example", pa.int64()),
        ("nats", pa.float64()),
        ("num_tokens", pa.int64()),
        ("num_units", pa.int64()),
        ("unigram_nats", pa.float64()),
        ("last_token_nats", pa.float64()),
        ("is_correct", pa.bool_()),
        ("is_correct_filtered", pa.bool_()),
        ("is_last_token_correct", pa.bool_()),
        ("is_correct_full", pa.bool_()),
    ]
)


def row(example: int, nats: float, num_tokens: int, **more: float | bool) -> dict:
    """An example; one that is right is so by every rule."""
    is_correct = more.get("is_correct")
    rules = dict.fromkeys(("is_correct_filtered", "is_last_token_correct"), is_correct)
    words = {"example": example, "nats": nats, "num_tokens": num_tokens, "last_token_nats": nats}
    return {**words, **rules, **more}


def table(*rows: dict) -> pa.Table:
    """Examples of any task; what a row does not say is null."""
    return pa.Table.from_pylist(list(rows), COLUMNS)
