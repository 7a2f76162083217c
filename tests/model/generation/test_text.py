"""Text comes in whole characters, one text after the other."""

import pytest
import torch
from hypothesis import given, settings, strategies as st

from corpus.tokenizer import Tokenizer
from model.checkpoint import Checkpoint
from model.generation.settings import SampleConfig
from model.generation.text import TextStream, write_texts
from tests.model.generation.tiny_models import tiny_model


@pytest.fixture(scope="module")
def tokenizer(tokens):
    return Tokenizer.load(tokens / "tokenizer")


@pytest.fixture(scope="module")
def checkpoint(tokenizer):
    return Checkpoint(tiny_model(16, vocab_size=tokenizer.vocab_size), tokenizer, step=1)


def write(checkpoint, prompts, **config):
    texts = write_texts(checkpoint, prompts, SampleConfig(**config))
    return ["".join(pieces) for pieces in texts]


@settings(max_examples=50)
@given(
    st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\N{REPLACEMENT CHARACTER}")
    )
)
def test_no_piece_holds_half_a_character(tokenizer, text):
    stream, shown = TextStream(tokenizer), ""
    for token in tokenizer.encode(text):
        shown += stream.push(token)
        assert text.startswith(shown)
    assert shown + stream.close() == text


@settings(max_examples=50)
@given(st.lists(st.integers(0, 256)))
def test_bytes_that_are_no_text_become_what_decoding_makes_of_them(tokenizer, token_ids):
    stream = TextStream(tokenizer)
    shown = "".join(map(stream.push, token_ids)) + stream.close()
    assert shown == tokenizer.decode(token_ids)


def test_batches_make_no_difference(checkpoint):
    prompts = ["the crawler", "", "a page", "", "its"]
    expected = write(checkpoint, prompts, max_new_tokens=40)
    assert len(set(expected)) == 5
    for batch_size in (1, 2, 5):
        assert write(checkpoint, prompts, max_new_tokens=40, batch_size=batch_size) == expected


def test_the_first_text_comes_while_the_others_are_written(checkpoint):
    config = SampleConfig(max_new_tokens=1000)
    num_steps = []
    hook = checkpoint.model.wte.register_forward_hook(lambda *_: num_steps.append(1))
    texts = write_texts(checkpoint, ["the", "the"], config)
    for _ in zip(range(5), next(texts)):  # noqa: B905 the text goes on
        pass
    hook.remove()
    assert 0 < len(num_steps) < 20


def test_a_document_ends_at_end_of_text(checkpoint):
    model = tiny_model(16, vocab_size=checkpoint.tokenizer.vocab_size)
    with torch.no_grad():  # the final norm gives its bias: logits favour end-of-text alone
        model.ln_f.weight.zero_()
        model.ln_f.bias.copy_(100 * model.wte.weight[checkpoint.tokenizer.end_of_text])
    ending = Checkpoint(model, checkpoint.tokenizer, step=1)
    assert write(ending, ["the", ""], temperature=0) == ["", ""]
