"""Token by token gives the logits that the model gives of the whole text."""

import pytest
import torch
from hypothesis import given, settings, strategies as st

from model.generation import decoder as decoder_module
from model.generation.decoder import Decoder
from model.gpt2 import GPT2
from tests.model.generation.tiny_models import tiny_model

BLOCK_SIZE = 12
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]


def last_logits(model: GPT2, context: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.tensor([context], device=model.wte.weight.device))[0, -1]


@st.composite
def texts(draw):
    lengths = draw(st.lists(st.integers(0, BLOCK_SIZE - 1), min_size=1, max_size=5))
    tokens = st.integers(0, 50)
    return [draw(st.lists(tokens, min_size=n + 1, max_size=BLOCK_SIZE)) for n in lengths], lengths


@settings(max_examples=25)
@given(
    texts(),
    st.sampled_from([(1, 1, 4), (2, 3, 15), (1, 2, 16)]),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_logits_are_the_model_s_for_any_prompts(prompts, shape, dtype):
    n_layer, n_head, n_embd = shape
    model = tiny_model(BLOCK_SIZE, n_layer=n_layer, n_head=n_head, n_embd=n_embd).to(dtype)
    rows, given_lengths = prompts
    decoder = Decoder(model, len(rows), BLOCK_SIZE)
    decoder.fill(range(len(rows)), [row[:n] for row, n in zip(rows, given_lengths, strict=True)])
    for step in range(min(len(row) - n for row, n in zip(*prompts, strict=True))):
        places = [n + step for n in given_lengths]
        logits = decoder.step([row[at] for row, at in zip(rows, places, strict=True)])
        for row, at, ours in zip(rows, places, logits, strict=True):
            torch.testing.assert_close(ours, last_logits(model, row[: at + 1]), rtol=0, atol=1e-4)


@pytest.mark.parametrize("device", DEVICES)
def test_rows_begin_anew_and_go_while_the_others_stay(device, monkeypatch):
    monkeypatch.setattr(decoder_module, "_TOKENS_AT_ONCE", 6)  # two passes for three rows
    model = tiny_model(BLOCK_SIZE).to(device)
    decoder = Decoder(model, 3, 8)
    decoder.fill([0, 1, 2], [[1, 2, 3], [], [4, 5]])
    decoder.step([6, 7, 8])
    decoder.fill([1], [[9, 10, 11, 12]])
    decoder.keep([1, 2])
    assert decoder.lengths.tolist() == [4, 3]
    logits = decoder.step([13, 14])
    for ours, context in zip(logits, [[9, 10, 11, 12, 13], [4, 5, 8, 14]], strict=True):
        torch.testing.assert_close(ours, last_logits(model, context), rtol=0, atol=1e-4)


def test_more_rows_than_the_kernel_is_for():
    model = tiny_model(BLOCK_SIZE)
    decoder = Decoder(model, 40, 2)
    decoder.step(range(40))
    logits = decoder.step(range(10, 50))
    for i in range(40):
        expected = last_logits(model, [i, 10 + i])
        torch.testing.assert_close(logits[i], expected, rtol=0, atol=1e-4)


def test_padding_rows_of_the_vocabulary_have_no_logits():
    model = tiny_model(BLOCK_SIZE, vocab_size=51)
    assert model.wte.weight.shape[0] == 64
    assert Decoder(model, 1, 1).step([0]).shape == (1, 51)


def test_dropout_is_for_training_only():
    model = tiny_model(BLOCK_SIZE, dropout=0.5)
    expected = last_logits(model, [1, 2])
    decoder = Decoder(model.train(), 1, 2)
    decoder.fill([0], [[1]])
    torch.testing.assert_close(decoder.step([2])[0], expected, rtol=0, atol=1e-4)


def test_what_does_not_fit_is_refused():
    model = tiny_model(BLOCK_SIZE)
    with pytest.raises(ValueError, match="room for 13 tokens, block_size is 12"):
        Decoder(model, 1, 13)
    decoder = Decoder(model, 1, 1)
    decoder.step([0])
    with pytest.raises(ValueError, match="holds 1 tokens already"):
        decoder.step([0])
