"""Samples are text of the model's, the same for the same seed."""

import pytest
import torch

from corpus.errors import WebtextError
from corpus.runtime import Runtime
from corpus.shards import read_rows
from corpus.tokenizer import Tokenizer
from model.checkpoint import Checkpoint, save_checkpoint
from model.gpt2 import GPT2
from model.sample import SampleConfig, run, sample_text
from model.settings import GPT2Config


@pytest.fixture(scope="module")
def checkpoint(tokens):
    tokenizer = Tokenizer.load(tokens / "tokenizer")
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=tokenizer.vocab_size, block_size=8, n_layer=1, n_head=2, n_embd=16
    )
    return Checkpoint(GPT2(config).eval(), tokenizer, step=1)


def test_same_seed_same_text_even_past_the_context(checkpoint):
    config = SampleConfig(max_new_tokens=30)
    first = sample_text(checkpoint, "the crawler", config)
    assert first == sample_text(checkpoint, "the crawler", config)
    assert first != sample_text(checkpoint, "the crawler", config, index=1)
    assert first != sample_text(checkpoint, "the crawler", config.model_copy(update={"seed": 1}))


def test_top_1_is_the_likeliest_token(checkpoint):
    tokenizer = checkpoint.tokenizer
    ids = torch.tensor([[tokenizer.end_of_text, *tokenizer.encode("a page")]])
    likeliest = int(checkpoint.model(ids)[0][0, -1].argmax())
    config = SampleConfig(top_k=1, max_new_tokens=1)
    assert sample_text(checkpoint, "a page", config) == tokenizer.decode([likeliest])


def test_a_document_ends_at_end_of_text(checkpoint):
    model = GPT2(checkpoint.model.config).eval()
    with torch.no_grad():  # the final norm gives its bias: logits favour end-of-text alone
        model.ln_f.weight.zero_()
        model.ln_f.bias.copy_(100 * model.wte.weight[checkpoint.tokenizer.end_of_text])
    ending = Checkpoint(model, checkpoint.tokenizer, step=1)
    assert sample_text(ending, "the", SampleConfig(top_k=1)) == ""


def test_stage_writes_a_row_per_prompt(checkpoint, tmp_path):
    folder = tmp_path / "run"
    save_checkpoint(folder / "checkpoint", checkpoint.model, checkpoint.tokenizer, step=1)
    config = SampleConfig(prompts=("the", "a page"), max_new_tokens=5)
    manifest = run(config, {"run": folder}, tmp_path / "a", Runtime())
    rows = list(read_rows(tmp_path / "a" / "samples-00000.arrow"))
    assert [row["prompt"] for row in rows] == ["the", "a page"]
    assert rows[1]["text"] == sample_text(checkpoint, "a page", config, index=1)
    assert manifest.counts.out == 2
    config = SampleConfig(num_samples=4, max_new_tokens=5)
    assert run(config, {"run": folder}, tmp_path / "b", Runtime()).counts.out == 4


def test_a_run_without_a_checkpoint_is_an_error(tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(WebtextError, match="no usable checkpoint"):
        run(SampleConfig(), {"run": tmp_path / "run"}, tmp_path / "output", Runtime())
