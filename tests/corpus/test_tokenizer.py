"""The tokenizer is GPT-2's: its files, its ids, its encoding."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiktoken
from hypothesis import given, settings, strategies as st

from corpus.errors import WebtextError
from corpus.tokenizer import ENCODER, MERGES, Tokenizer

# OpenAI's pattern, as its encoder.py has it.
PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
TEXTS = [
    "The crawler reads the links, and the links' pages are read again: it's the same crawl.\n",
    "Die Wörter zählen 1, 22 und 333; naïve café, 東京 東京 東京, 🙂🙂🙂 and <|endoftext|>.\n",
    "    indented(code) == {'a': [1, 2]}\n\n\n\tand\ttabs  and   runs of    spaces aaaaaaa\n",
] * 5


@pytest.fixture(scope="module")
def trained() -> Tokenizer:
    return Tokenizer.train(TEXTS, vocab_size=400)


@pytest.fixture(scope="module")
def reference(trained: Tokenizer) -> tiktoken.Encoding:
    decoder = trained._decoder
    ranks = {decoder[i]: i for i in range(trained.end_of_text)}
    special = {"<|endoftext|>": trained.end_of_text}
    return tiktoken.Encoding(
        "trained", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=special
    )


def test_published_vocabulary_encodes_and_decodes_every_golden_vector(real_data: Path):
    tokenizer = Tokenizer.load(real_data / "gpt2_bpe")
    lines = (
        (real_data / "gpt2_bpe" / "golden_vectors.jsonl").read_text(encoding="utf-8").splitlines()
    )
    vectors = [json.loads(line) for line in lines]
    assert len(vectors) > 100
    for vector in vectors:
        assert tokenizer.encode(vector["text"]) == vector["ids"]
        assert tokenizer.decode(vector["ids"]) == vector["text"]
    batch = tokenizer.encode_batch([vector["text"] for vector in vectors])
    assert [ids.tolist() for ids in batch] == [vector["ids"] for vector in vectors]
    assert (tokenizer.vocab_size, tokenizer.end_of_text) == (50_257, 50_256)


def test_saving_the_published_vocabulary_gives_the_published_bytes(tmp_path, real_data: Path):
    Tokenizer.load(real_data / "gpt2_bpe").save(tmp_path)
    for name in (ENCODER, MERGES):
        assert (tmp_path / name).read_bytes() == (real_data / "gpt2_bpe" / name).read_bytes()


def test_trained_ids_are_bytes_then_merges_then_end_of_text(trained):
    tokens = sorted(trained.encoder, key=trained.encoder.__getitem__)
    assert trained.vocab_size == 400
    assert tokens[:3] == ["!", '"', "#"]
    assert tokens[220] == "Ġ"  # a space, where GPT-2 has it
    assert tokens[256:-1] == [left + right for left, right in trained.merges]
    assert tokens[-1] == "<|endoftext|>"


@settings(max_examples=100, deadline=None)
@given(text=st.one_of(st.text(), st.text("the links' aä1東🙂 \n\t<|>"), st.sampled_from(TEXTS)))
def test_trained_encoding_is_that_of_tiktoken_with_the_same_merges(trained, reference, text):
    ids = trained.encode(text)
    assert ids == reference.encode_ordinary(text)
    assert trained.decode(ids) == text


@settings(max_examples=20, deadline=None)
@given(texts=st.lists(st.text(), max_size=8))
def test_batch_encoding_is_encoding_one_by_one(trained, texts):
    batch = [ids.tolist() for ids in trained.encode_batch(texts)]
    assert batch == [trained.encode(text) for text in texts]


def test_end_of_text_in_a_text_is_text(trained):
    ids = trained.encode("a <|endoftext|> b")
    assert trained.end_of_text not in ids
    assert trained.decode(ids) == "a <|endoftext|> b"
    assert trained.decode([trained.end_of_text]) == "<|endoftext|>"


def test_training_depends_on_neither_order_nor_number_of_cores(trained, tmp_path):
    script = (
        "import json, sys; from pathlib import Path; from corpus.tokenizer import Tokenizer;"
        "Tokenizer.train(json.loads(sys.argv[1]), 400).save(Path(sys.argv[2]))"
    )
    subprocess.run(
        [sys.executable, "-c", script, json.dumps(TEXTS[::-1]), str(tmp_path)],
        env={**os.environ, "RAYON_NUM_THREADS": "5"},
        check=True,
    )
    assert Tokenizer.load(tmp_path) == trained


def test_a_tiny_corpus_gives_fewer_ids_and_still_encodes_anything():
    tokenizer = Tokenizer.train(["ab ab"], vocab_size=50_257)
    assert tokenizer.vocab_size == 256 + len(tokenizer.merges) + 1
    assert tokenizer.decode(tokenizer.encode("déjà vu")) == "déjà vu"


def test_training_is_silent(capfd):
    Tokenizer.train(["some text"], vocab_size=300)
    assert capfd.readouterr() == ("", "")


def test_what_cannot_be_is_refused(trained):
    with pytest.raises(ValueError, match="at least 257, got 256"):
        Tokenizer.train(["text"], vocab_size=256)
    with pytest.raises(ValueError, match="no token has id 400"):
        trained.decode([400])


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (MERGES, None, "vocab.bpe is missing"),
        (ENCODER, b'{"!": 0', "delimiter"),
        (ENCODER, b'{"!": 0}', "no id for"),
        (MERGES, b"#version: 0.2\nonly-one-part\n", "not enough values"),
        (MERGES, "#version: 0.2\n東 京\n".encode(), "no id for '東京'"),
    ],
)
def test_damaged_vocabulary_is_named_with_its_folder(trained, tmp_path, name, content, reason):
    trained.save(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(WebtextError, match=reason) as error:
        Tokenizer.load(tmp_path)
    assert str(tmp_path) in error.value.message
