"""Documents become rows of token ids; a damaged shard is named, whatever its bytes."""

import random

import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from corpus.byte_level import BYTE_SPELLINGS
from corpus.errors import WebtextError
from corpus.schema import DOCUMENTS, tokens_schema
from corpus.shards import open_shard, write_shard
from corpus.tokenizer import Tokenizer
from corpus.tokens.encoding import encode_documents, read_batches, token_rows_schema, vocabulary_of
from corpus.tokens.stage import write_tokens

# Whatever UTF-8 can hold: no lone surrogates.
TEXTS = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.sampled_from(["", "\0\0", " " * 3000, "a <|endoftext|>", "<|endoftext|>" * 3]),
    ),
    max_size=6,
)


@pytest.fixture(scope="module")
def small() -> Tokenizer:
    return Tokenizer.train(["the links of the pages and the pages of the links"] * 3, 290)


@pytest.fixture(scope="module")
def large() -> Tokenizer:
    pairs = [(a, b) for a in BYTE_SPELLINGS[::-1] for b in BYTE_SPELLINGS]
    return Tokenizer.from_merges(pairs)


def encode(tokenizer: Tokenizer, texts: list[str]) -> pa.RecordBatch:
    ids = pa.array([str(i) for i in range(len(texts))], pa.string())
    documents = pa.record_batch({"id": ids, "text": pa.array(texts, pa.large_string())})
    return encode_documents(tokenizer, documents, token_rows_schema(tokenizer))


@settings(max_examples=50)
@given(texts=TEXTS)
def test_any_texts_come_back_and_only_their_ends_are_end_of_text(small, texts):
    rows = encode(small, texts).to_pylist()
    assert [row["id"] for row in rows] == [str(i) for i in range(len(texts))]
    assert [small.decode(row["tokens"][:-1]) for row in rows] == texts
    for row in rows:
        assert row["tokens"].index(small.end_of_text) == len(row["tokens"]) - 1


def test_ids_beyond_16_bits_are_kept_whole(large, tmp_path):
    rows = encode(large, ["!!!! any text", "naïve"])
    write_tokens(tmp_path / "shard", rows)
    read = open_shard(tmp_path / "shard").get_batch(0).column("tokens")
    assert read.type == pa.large_list(pa.uint32())
    assert max(read.values.to_pylist()) == large.end_of_text == 65_792
    assert [large.decode(row[:-1]) for row in read.to_pylist()] == ["!!!! any text", "naïve"]


def test_a_shard_tells_its_vocabulary_apart_from_another(small, large, tmp_path):
    for name, tokenizer in (("small", small), ("large", large)):
        write_tokens(tmp_path / name, encode(tokenizer, ["text"]))
        assert vocabulary_of(tmp_path / name) == tokenizer.fingerprint
    assert small.fingerprint != large.fingerprint
    write_shard(tmp_path / "old", [], tokens_schema(290))
    assert vocabulary_of(tmp_path / "old") is None


def test_a_flipped_bit_is_seen_or_leaves_sound_texts_but_never_crashes(small, tmp_path):
    generator = random.Random(1)
    words = ["thé", "links", "🦊", "of", "pages", "\n"]
    rows = [
        dict.fromkeys(DOCUMENTS.names)
        | {"id": str(i), "text": " ".join(generator.choices(words, k=99))}
        for i in range(200)
    ]
    shard = tmp_path / "documents-00000.arrow"
    write_shard(shard, rows, DOCUMENTS)
    whole = shard.read_bytes()
    errors = []
    for at in generator.sample(range(len(whole)), 300):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << generator.randrange(8)
        shard.write_bytes(damaged)
        try:
            for batch in read_batches(shard, ["id", "domain", "text"]):
                encode_documents(small, batch, token_rows_schema(small))
        except WebtextError as exc:
            errors.append(exc.message)
    assert len(errors) > 100
    assert all(str(shard) in message for message in errors)


def test_a_shard_of_another_kind_is_named(tmp_path, small):
    write_tokens(tmp_path / "tokens", encode(small, ["text"]))
    with pytest.raises(WebtextError, match="text") as error:
        list(read_batches(tmp_path / "tokens", ["id", "text"]))
    assert str(tmp_path / "tokens") in error.value.message
