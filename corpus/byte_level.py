"""GPT-2's spelling of bytes as printable characters, and the Hugging Face form of a vocabulary."""

import json
from collections.abc import Mapping, Sequence

# As a pre-tokeniser it splits by GPT-2's pattern (encoder.py), and puts no space before a text.
_BYTE_LEVEL = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": True,
}


def spell(token: bytes) -> str:
    """A token's bytes as encoder.json and vocab.bpe write them: a space is "Ġ"."""
    return "".join(_SPELLING[byte] for byte in token)


def unspell(token: str) -> bytes:
    """The bytes that `token` spells.

    A character outside the table can only be in a special token: its own UTF-8 then.
    """
    if all(character in _BYTES for character in token):
        return bytes(_BYTES[character] for character in token)
    return token.encode()


def describe_tokenizer(
    encoder: Mapping[str, int], merges: Sequence[tuple[str, str]], special: Sequence[str] = ()
) -> bytes:
    """A byte-level BPE as Hugging Face's tokenizer.json.

    Args:
        encoder: Token to id.
        merges: Pairs in the order they were learnt.
        special: Tokens of `encoder` that a reader finds as they are in a text, before any
            pre-tokenisation. None: special tokens in text are text.
    """
    added = [
        {
            "id": encoder[token],
            "content": token,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for token in special
    ]
    description = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": _BYTE_LEVEL,
        "post_processor": None,
        "decoder": _BYTE_LEVEL,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": dict(encoder),
            # "left right", not a pair: older readers know this form, newer ones both.
            "merges": [f"{left} {right}" for left, right in merges],
        },
    }
    return json.dumps(description).encode()


def parse_description(description: bytes) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """The encoder and the merges of a tokenizer.json, if it splits and spells as GPT-2 does.

    Raises:
        ValueError: it is no JSON, or another kind of tokenizer.
        KeyError, TypeError, AttributeError: it is no tokenizer.json.
    """
    parsed = json.loads(description)
    model, splits = parsed["model"], parsed["pre_tokenizer"]
    if model["type"] != "BPE" or model.get("ignore_merges") or parsed.get("normalizer"):
        raise ValueError(f"its model is no plain BPE, but {model['type']}")
    if splits["type"] != "ByteLevel" or splits["add_prefix_space"] or not splits["use_regex"]:
        raise ValueError("it does not split texts as GPT-2 does")
    added = {token["content"]: token["id"] for token in parsed["added_tokens"]}
    ids = model["vocab"] | added
    # Written as "left right", or as a pair by newer writers.
    pairs = (merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"])
    return {token: ids[token] for token in sorted(ids, key=ids.__getitem__)}, [
        (left, right) for left, right in pairs
    ]


def _byte_table() -> dict[int, str]:
    """GPT-2's spelling of each byte: printable Latin-1 as itself, the rest from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {byte: chr(byte) for byte in printable}
    return table | {byte: chr(256 + i) for i, byte in enumerate(others)}


_SPELLING = _byte_table()
BYTE_SPELLINGS = tuple(_SPELLING.values())
"""The 256 one-byte tokens in GPT-2's order of ids."""
_BYTES = {character: byte for byte, character in _SPELLING.items()}
