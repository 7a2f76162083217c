"""A checkpoint gives back the model that was saved, as we and as transformers read it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings, strategies as st
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

from corpus.errors import WebtextError
from corpus.tokenizer import Tokenizer
from model.checkpoint import load_checkpoint, load_weights, save_checkpoint, save_weights
from model.gpt2 import GPT2
from model.hugging_face.config import CONFIG
from model.hugging_face.model_card import CardFacts
from model.hugging_face.weight_files import WEIGHTS
from model.settings import GPT2Config

ROOT = Path(__file__).parents[2]


def small_config(vocab_size: int) -> GPT2Config:
    return GPT2Config(vocab_size=vocab_size, block_size=8, n_layer=2, n_head=2, n_embd=8)


@pytest.fixture(scope="module")
def tokenizer(tokens):
    return Tokenizer.load(tokens / "tokenizer")


@pytest.fixture
def folder(tmp_path, tokenizer):
    torch.manual_seed(0)
    save_checkpoint(tmp_path, GPT2(small_config(tokenizer.vocab_size)), tokenizer, step=7)
    return tmp_path


def lively(config: GPT2Config) -> GPT2:
    """A model in which no tensor could take another's place unseen: fresh biases are all zero."""
    torch.manual_seed(0)
    model = GPT2(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def test_kill_9_between_any_two_files_leaves_an_old_a_new_or_an_unfinished_checkpoint(tmp_path):
    command = [sys.executable, "-m", "tests.model.killed_saves", str(tmp_path)]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found = [json.loads(line) for line in said.stdout.splitlines()]
    assert len(found) > 8
    assert found[0] in ("missing", [1, 1.0])
    assert found[-1] == [2, 2.0]
    for each in found:
        assert each == "missing" or each in ([1, 1.0], [2, 2.0])


def test_what_was_saved_is_loaded(folder):
    checkpoint = load_checkpoint(folder)
    assert checkpoint.step == 7
    assert checkpoint.tokenizer.decode(checkpoint.tokenizer.encode("a page")) == "a page"
    torch.manual_seed(0)
    model = GPT2(checkpoint.model.config).eval()
    ids = torch.arange(8)[None]
    assert torch.equal(checkpoint.model(ids), model(ids))
    assert not checkpoint.model.training
    assert all(parameter.requires_grad for parameter in checkpoint.model.parameters())


@settings(max_examples=8)
@given(
    vocab_size=st.integers(257, 400),
    n_layer=st.integers(1, 3),
    n_head=st.integers(1, 3),
    dropout=st.sampled_from([0.0, 0.1]),
)
def test_load_of_save_is_bit_exact(tmp_path_factory, vocab_size, n_layer, n_head, dropout):
    letters = "abcdefghijklmnopqrstuvwxyz"
    merges = [(x, y) for x in letters for y in letters][: vocab_size - 257]
    config = GPT2Config(
        vocab_size=vocab_size,
        block_size=4,
        n_layer=n_layer,
        n_head=n_head,
        n_embd=6 * n_head,
        dropout=dropout,
    )
    model = lively(config)
    folder = tmp_path_factory.mktemp("checkpoint")
    save_checkpoint(folder, model, Tokenizer.from_merges(merges), step=3)
    checkpoint = load_checkpoint(folder)
    assert checkpoint.model.config == config
    saved, loaded = model.state_dict(), load_weights(folder)
    assert saved.keys() == loaded.keys()
    assert all(torch.equal(saved[name], loaded[name]) for name in saved)


def test_loading_draws_no_random_numbers(folder):
    torch.manual_seed(1)
    load_checkpoint(folder)
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert drawn == torch.rand(1)


def test_equal_weights_are_equal_bytes(folder, tmp_path):
    checkpoint = load_checkpoint(folder)
    save_checkpoint(tmp_path / "again", checkpoint.model, checkpoint.tokenizer, step=7)
    names = sorted(path.name for path in folder.glob("*.*"))
    assert len(names) == 9
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_the_weights_have_openai_s_names_and_layout_and_no_padding(folder, tokenizer):
    with safe_open(folder / WEIGHTS, framework="pt") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        assert file.metadata() == {"format": "pt"}
    assert shapes["wte.weight"] == (tokenizer.vocab_size, 8)
    assert shapes["h.1.attn.c_attn.weight"] == (8, 24)
    assert shapes["h.0.mlp.c_proj.weight"] == (32, 8)


@pytest.mark.parametrize(("n_embd", "n_head"), [(768, 12), (1024, 16), (1280, 20), (1600, 25)])
@torch.no_grad()
def test_logits_are_those_of_transformers_both_ways(tmp_path, tokenizer, n_embd, n_head):
    vocab_size = tokenizer.vocab_size
    config = GPT2Config(
        vocab_size=vocab_size, block_size=32, n_layer=2, n_head=n_head, n_embd=n_embd
    )
    ours = lively(config)
    ids = torch.randint(vocab_size, (4, 32))
    save_checkpoint(tmp_path / "ours", ours, tokenizer, step=1)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "ours").eval()
    logits = ours(ids)
    assert logits.std() > 0.5
    assert (theirs(ids).logits - logits).abs().max() < 1e-4
    theirs.save_pretrained(tmp_path / "theirs")
    tokenizer.save(tmp_path / "theirs")
    back = load_checkpoint(tmp_path / "theirs").model
    assert (theirs(ids).logits - back(ids)).abs().max() < 1e-4


@pytest.fixture(scope="module")
def their_tokenizer(tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    save_checkpoint(folder, GPT2(small_config(tokenizer.vocab_size)), tokenizer, step=0)
    return AutoTokenizer.from_pretrained(folder)


@given(text=st.text(max_size=40))
@settings(max_examples=50)
def test_transformers_encodes_as_we_do(tokenizer, their_tokenizer, text):
    theirs = their_tokenizer
    assert theirs(text)["input_ids"] == tokenizer.encode(text)
    assert theirs.decode(tokenizer.encode(text)) == text


def test_transformers_knows_the_special_token_and_the_context(folder, tokenizer):
    theirs = AutoTokenizer.from_pretrained(folder)
    assert theirs.eos_token_id == theirs.bos_token_id == tokenizer.end_of_text
    assert len(theirs) == tokenizer.vocab_size
    assert theirs.model_max_length == 8
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.config.eos_token_id == tokenizer.end_of_text
    assert model.generation_config.pad_token_id == tokenizer.end_of_text


def test_the_model_card_says_what_is_known_and_no_more(folder, tmp_path, tokenizer):
    bare = (folder / "README.md").read_text()
    assert "license: other" in bare
    assert "| optimizer steps | 7 |" in bare
    assert "tokens seen" not in bare
    config, weights = small_config(tokenizer.vocab_size), load_weights(folder)
    facts = CardFacts(tokens_seen=1234567, val_loss=3.25, corpus="abc", recipe="demo")
    save_weights(tmp_path / "told", weights, config, tokenizer, 7, facts)
    told = (tmp_path / "told" / "README.md").read_text()
    for line in ("seen | 1,234,567 |", "loss | 3.2500 nats", "corpus | abc |", "recipe | demo |"):
        assert line in told


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, "encoder.json", "vocab.bpe"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(WebtextError, match=name):
        load_checkpoint(folder)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, "encoder.json"])
def test_a_truncated_file_is_an_error_with_its_folder(folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(WebtextError) as error:
        load_checkpoint(folder)
    assert str(folder) in error.value.message


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("n_layer", 3, "2 blocks, not 3"),
        ("n_layer", 10**9, "2 blocks, not 1000000000"),
        ("n_embd", 16, r"\(24,\), not \(48,\)"),
        ("n_positions", 9, r"wpe.weight \(8, 8\), not \(9, 8\)"),
        ("vocab_size", 281, r"wte.weight \(280, 8\), not \(281, 8\)"),
    ],
)
def test_a_config_that_does_not_fit_the_weights_is_refused(folder, key, value, reason):
    content = json.loads((folder / CONFIG).read_bytes())
    (folder / CONFIG).write_text(json.dumps(content | {key: value}))
    with pytest.raises(WebtextError, match=reason):
        load_checkpoint(folder)


def test_another_vocabulary_is_refused(folder):
    Tokenizer.from_merges([("a", "b")]).save(folder)
    with pytest.raises(WebtextError, match="258 tokens, but 280 rows"):
        load_checkpoint(folder)
