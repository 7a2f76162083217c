"""The tokenizer is GPT-2's: its files, its ids, its encoding."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiktoken
import tokenizers
from hypothesis import given, settings, strategies as st

from corpus.byte_level import BYTE_SPELLINGS
from corpus.errors import WebtextError
from corpus.tokenizer import ENCODER, END_OF_TEXT, HUGGING_FACE, MERGES, Tokenizer

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
    return as_tiktoken(trained)


@pytest.fixture(scope="module")
def hugging_face(trained_folder: Path) -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_file(str(trained_folder / HUGGING_FACE))


@pytest.fixture(scope="module")
def trained_folder(trained: Tokenizer, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    trained.save(folder)
    return folder


def as_tiktoken(tokenizer: Tokenizer) -> tiktoken.Encoding:
    ranks = {token: i for i, token in enumerate(tokenizer.token_bytes[:-1])}
    special = {END_OF_TEXT: tokenizer.end_of_text}
    return tiktoken.Encoding("ours", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=special)


def read_json(folder: Path) -> dict:
    return json.loads((folder / HUGGING_FACE).read_bytes())


@pytest.fixture(scope="module")
def published(real_data: Path) -> Tokenizer:
    return Tokenizer.load(real_data / "gpt2_bpe")


@pytest.fixture(scope="module")
def vectors(real_data: Path) -> list[dict]:
    path = real_data / "gpt2_bpe" / "golden_vectors.jsonl"
    vectors = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(vectors) > 100
    return vectors


def test_published_vocabulary_encodes_and_decodes_every_golden_vector(published, vectors):
    for vector in vectors:
        assert published.encode(vector["text"]) == vector["ids"]
        assert published.decode(vector["ids"]) == vector["text"]
    batch = published.encode_batch([vector["text"] for vector in vectors])
    assert [ids.tolist() for ids in batch] == [vector["ids"] for vector in vectors]
    assert (published.vocab_size, published.end_of_text) == (50_257, 50_256)


def test_peers_with_our_files_give_every_golden_vector(published, vectors, tmp_path):
    published.save(tmp_path)
    peer = tokenizers.Tokenizer.from_file(str(tmp_path / HUGGING_FACE))
    ranks = as_tiktoken(published)
    for vector in vectors:
        assert ranks.encode_ordinary(vector["text"]) == vector["ids"]
        if END_OF_TEXT not in vector["text"]:
            assert peer.encode(vector["text"]).ids == vector["ids"]
            assert peer.decode(vector["ids"]) == vector["text"]


def test_transformers_reads_the_folder(trained, trained_folder, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from transformers.models.gpt2 import GPT2Tokenizer  # takes seconds

    peer = GPT2Tokenizer.from_pretrained(trained_folder)
    for text in [*TEXTS[:1], TEXTS[2], " x  y\n", "naïve 東京🙂"]:
        assert peer(text)["input_ids"] == trained.encode(text)
        assert peer.decode(trained.encode(text)) == text
    assert (peer.eos_token_id, peer.vocab_size) == (trained.end_of_text, trained.vocab_size)


@pytest.mark.parametrize("names", [("vocab.json", "merges.txt"), (HUGGING_FACE,)])
def test_hugging_face_s_files_are_the_same_vocabulary(trained, trained_folder, tmp_path, names):
    openai_s = (HUGGING_FACE,) if names == (HUGGING_FACE,) else (ENCODER, MERGES)
    for theirs, ours in zip(names, openai_s, strict=True):
        (tmp_path / theirs).write_bytes((trained_folder / ours).read_bytes())
    loaded = Tokenizer.load(tmp_path)
    assert loaded == trained
    assert loaded.fingerprint == trained.fingerprint


def test_merges_written_as_pairs_are_read(trained, trained_folder, tmp_path):
    tokenizers.Tokenizer.from_file(str(trained_folder / HUGGING_FACE)).save(
        str(tmp_path / HUGGING_FACE)
    )
    assert isinstance(read_json(tmp_path)["model"]["merges"][0], list)
    assert Tokenizer.load(tmp_path) == trained


@pytest.mark.parametrize(
    ("part", "change", "reason"),
    [
        ("model", {"type": "Unigram"}, "no plain BPE, but Unigram"),
        ("model", {"ignore_merges": True}, "no plain BPE"),
        ("pre_tokenizer", {"add_prefix_space": True}, "does not split texts as GPT-2"),
        ("pre_tokenizer", {"use_regex": False}, "does not split texts as GPT-2"),
        ("pre_tokenizer", {"type": "Whitespace"}, "does not split texts as GPT-2"),
    ],
)
def test_another_kind_of_tokenizer_is_refused(trained_folder, tmp_path, part, change, reason):
    description = read_json(trained_folder)
    description[part] |= change
    (tmp_path / HUGGING_FACE).write_text(json.dumps(description))
    with pytest.raises(WebtextError, match=reason):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"model": {"type": "BPE"}}'])
def test_a_damaged_description_is_named_with_its_folder(tmp_path, content):
    (tmp_path / HUGGING_FACE).write_text(content)
    with pytest.raises(WebtextError, match=str(tmp_path)):
        Tokenizer.load(tmp_path)


def test_a_folder_that_lost_one_of_two_files_is_damaged(trained, tmp_path):
    trained.save(tmp_path)
    (tmp_path / MERGES).unlink()
    with pytest.raises(WebtextError, match=MERGES):
        Tokenizer.load(tmp_path)


def test_saving_the_published_vocabulary_gives_the_published_bytes(
    published, tmp_path, real_data: Path
):
    published.save(tmp_path)
    for name in (ENCODER, MERGES):
        assert (tmp_path / name).read_bytes() == (real_data / "gpt2_bpe" / name).read_bytes()
    both = (tmp_path / ENCODER).read_bytes() + (tmp_path / MERGES).read_bytes()
    assert published.fingerprint == hashlib.sha256(both).hexdigest()


def test_the_last_file_written_is_the_one_that_tells_a_vocabulary_is_whole(
    trained, tmp_path, monkeypatch
):
    written = []

    def note(path, content):
        written.append(path.name)

    monkeypatch.setattr("corpus.tokenizer.write_bytes", note)
    trained.save(tmp_path)
    assert sorted(written) == sorted([ENCODER, HUGGING_FACE, MERGES])
    assert written[-1] == MERGES


def test_trained_ids_are_bytes_then_merges_then_end_of_text(trained):
    tokens = sorted(trained.encoder, key=trained.encoder.__getitem__)
    assert trained.vocab_size == 400
    assert tokens[:3] == ["!", '"', "#"]
    assert tokens[220] == "Ġ"  # a space, where GPT-2 has it
    assert tokens[256:-1] == [left + right for left, right in trained.merges]
    assert tokens[-1] == "<|endoftext|>"


@settings(max_examples=100)
@given(text=st.one_of(st.text(), st.text("the links' aä1東🙂 \n\t<|>"), st.sampled_from(TEXTS)))
def test_trained_encoding_is_that_of_its_peers_with_the_same_merges(
    trained, reference, hugging_face, text
):
    ids = trained.encode(text)
    assert ids == reference.encode_ordinary(text)
    if END_OF_TEXT not in text:  # which the peer would take for the control token
        assert ids == hugging_face.encode(text).ids
    assert trained.decode(ids) == text


@settings(max_examples=20)
@given(texts=st.lists(st.text(), max_size=8))
def test_batch_encoding_is_encoding_one_by_one(trained, texts):
    batch = [ids.tolist() for ids in trained.encode_batch(texts)]
    assert batch == [trained.encode(text) for text in texts]


def test_end_of_text_in_a_text_is_text(trained):
    ids = trained.encode("a <|endoftext|> b")
    assert trained.end_of_text not in ids
    assert trained.decode(ids) == "a <|endoftext|> b"
    assert trained.decode([trained.end_of_text]) == "<|endoftext|>"
    assert trained.token_bytes[trained.end_of_text] == b"<|endoftext|>"


def test_a_vocabulary_may_have_more_ids_than_fit_into_16_bits():
    tokenizer = Tokenizer.from_merges(
        [(a, b) for a in BYTE_SPELLINGS[::-1] for b in BYTE_SPELLINGS]
    )
    assert tokenizer.vocab_size == 256 + 256**2 + 1
    text = "any text, naïve or not: 東京"
    assert tokenizer.encode(text) == as_tiktoken(tokenizer).encode_ordinary(text)
    assert max(tokenizer.encode("!!")) > 65_535


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
    for unknown in (400, -1):
        with pytest.raises(ValueError, match=f"no token has id {unknown}; there are 400"):
            trained.decode([0, unknown])


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
