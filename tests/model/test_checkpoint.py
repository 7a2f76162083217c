"""A checkpoint gives back the model that was saved, or says which file is wrong."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from corpus.errors import WebtextError
from corpus.tokenizer import Tokenizer
from model.checkpoint import (
    CONFIG,
    WEIGHTS,
    TrainingState,
    load_checkpoint,
    load_state,
    save_checkpoint,
    save_state,
)
from model.gpt2 import GPT2
from model.settings import GPT2Config


@pytest.fixture
def folder(tmp_path, tokens):
    torch.manual_seed(0)
    tokenizer = Tokenizer.load(tokens / "tokenizer")
    config = GPT2Config(
        vocab_size=tokenizer.vocab_size, block_size=8, n_layer=2, n_head=2, n_embd=8
    )
    save_checkpoint(tmp_path, GPT2(config), tokenizer, step=7)
    return tmp_path


def test_what_was_saved_is_loaded(folder):
    checkpoint = load_checkpoint(folder)
    assert checkpoint.step == 7
    assert checkpoint.tokenizer.decode(checkpoint.tokenizer.encode("a page")) == "a page"
    torch.manual_seed(0)
    model = GPT2(checkpoint.model.config).eval()
    ids = torch.arange(8)[None]
    assert torch.equal(checkpoint.model(ids)[0], model(ids)[0])
    assert not checkpoint.model.training


def test_equal_weights_are_equal_bytes(folder, tmp_path):
    checkpoint = load_checkpoint(folder)
    save_checkpoint(tmp_path / "again", checkpoint.model, checkpoint.tokenizer, step=7)
    for path in folder.glob("*.*"):
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_weights_with_causal_masks_as_published_load(folder):
    weights = load_file(folder / WEIGHTS)
    masks = {f"h.{i}.attn.bias": torch.ones(1, 1, 8, 8) for i in range(2)}
    save_file(weights | masks, folder / WEIGHTS)
    assert load_checkpoint(folder).step == 0


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


def test_files_that_do_not_fit_each_other_are_refused(folder):
    text = (folder / CONFIG).read_text()
    (folder / CONFIG).write_text(text.replace('"n_layer": 2', '"n_layer": 3'))
    with pytest.raises(WebtextError, match="does not fit"):
        load_checkpoint(folder)
    (folder / CONFIG).write_text(text.replace('"vocab_size": 280', '"vocab_size": 281'))
    with pytest.raises(WebtextError, match="280 tokens, but 281 rows"):
        load_checkpoint(folder)


def test_a_damaged_training_state_is_named_and_none_is_none(tmp_path):
    path = tmp_path / "training_state.pt"
    assert load_state(path) is None
    save_state(path, TrainingState(step=3, model={"w": torch.ones(2)}, optimizer={}))
    state = load_state(path)
    assert state is not None
    assert state["step"] == 3
    for damaged in (path.read_bytes()[:-50], b"no torch file", b""):
        path.write_bytes(damaged)
        with pytest.raises(WebtextError, match=r"training_state\.pt is damaged"):
            load_state(path)
