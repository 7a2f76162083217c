"""Texts are what the model says, whatever stands beside them and however long they get."""

import pytest
import torch
from hypothesis import given, settings, strategies as st
from transformers import GPT2Config as PeerConfig, GPT2LMHeadModel

from model.generation.generate import generate
from model.generation.settings import GenerationConfig
from model.gpt2 import GPT2
from model.hugging_face.layout import to_published
from tests.model.generation.tiny_models import tiny_model

GREEDY = GenerationConfig(temperature=0, max_new_tokens=30)
BOLD = GenerationConfig(top_k="all", max_new_tokens=30)
PROMPTS = [[3], [1, 2, 3, 4, 5, 6, 7], [8, 9], [10, 11, 12]]


def write(model: GPT2, prompts: list[list[int]], config: GenerationConfig, **more) -> list[list]:
    """The texts, None from their ends on left out."""
    steps = list(generate(model, prompts, config, **more))
    columns = zip(*steps, strict=True) if steps else [[] for _ in prompts]
    return [[token for token in column if token is not None] for column in columns]


@pytest.mark.parametrize("shape", [(1, 1, 8), (2, 3, 15), (3, 2, 32)])
def test_greedy_tokens_are_those_of_transformers(shape):
    n_layer, n_head, n_embd = shape
    model = tiny_model(40, n_layer=n_layer, n_head=n_head, n_embd=n_embd)
    config = PeerConfig(
        vocab_size=51, n_positions=40, n_layer=n_layer, n_head=n_head, n_embd=n_embd,
        bos_token_id=None, eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    peer = GPT2LMHeadModel(config).eval()
    peer.transformer.load_state_dict(to_published(model.state_dict(), model.config))
    ids = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 9, 9]])
    expected = peer.generate(  # pyright: ignore[reportAttributeAccessIssue]
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=30
    )
    assert write(model, ids.tolist(), GREEDY) == expected[:, 4:].tolist()


@pytest.mark.parametrize("config", [GREEDY, BOLD], ids=["greedy", "drawn"])
def test_a_text_is_the_same_alone_and_among_others(config):
    model = tiny_model()  # a block of 12: the texts slide, each at another time
    together = write(model, PROMPTS, config)
    alone = [write(model, [p], config, indices=[i])[0] for i, p in enumerate(PROMPTS)]
    assert together == alone


def test_a_text_follows_from_its_seed_and_index():
    model = tiny_model()
    first = write(model, [[1], [1]], BOLD)
    assert first == write(model, [[1], [1]], BOLD)
    assert first[0] != first[1]
    assert first[0] != write(model, [[1]], BOLD.model_copy(update={"seed": 1}))[0]


def test_the_end_token_ends_its_text_and_no_other():
    model = tiny_model()
    whole = write(model, PROMPTS, BOLD)
    for stop in (whole[0][0], whole[1][10], whole[3][20]):
        cut = [text[: text.index(stop)] if stop in text else text for text in whole]
        assert write(model, PROMPTS, BOLD, stop=(stop,)) == cut


def with_a_window(model: GPT2, prompt: list[int], num_new: int) -> list[int]:
    """The definition, without a cache: a full block is cut to its newest half."""
    block_size = model.config.block_size
    context, written = prompt[-block_size:], []
    for _ in range(num_new):
        with torch.no_grad():
            token = int(model(torch.tensor([context]))[0, -1].argmax())
        written.append(token)
        is_full = len(context) == block_size
        context = [*context, token][-max(1, block_size // 2) :] if is_full else [*context, token]
    return written


@settings(max_examples=20)
@given(
    st.integers(1, 9),
    st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=20), min_size=1, max_size=3),
)
def test_beyond_the_block_a_text_goes_on_with_half_of_it(block_size, prompts):
    model = tiny_model(block_size)
    expected = [with_a_window(model, prompt, 25) for prompt in prompts]
    assert write(model, prompts, GREEDY.model_copy(update={"max_new_tokens": 25})) == expected


def test_each_token_comes_as_soon_as_it_is_written():
    model = tiny_model()
    steps = generate(model, [[1]], GREEDY)
    calls = []
    model.wte.register_forward_hook(lambda *_: calls.append(1))
    next(steps)
    assert len(calls) == 1
    next(steps)
    assert len(calls) == 2


@pytest.mark.parametrize("prompts", [[], [[1], []]])
def test_a_text_begins_with_a_token(prompts):
    with pytest.raises(ValueError, match="begins with end-of-text"):
        next(generate(tiny_model(), prompts, GREEDY))
