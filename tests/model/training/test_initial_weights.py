"""Fine-tuning starts from given weights, and refuses those that do not fit the corpus."""

import pytest
import torch

from corpus.errors import UsageError
from corpus.metrics import read_metrics
from corpus.runtime import Runtime
from corpus.tokenizer import Tokenizer
from model.checkpoint import save_checkpoint
from model.gpt2 import GPT2
from model.launch import run
from model.settings import GPT2Config, ModelConfig, RunConfig, TrainConfig
from model.training.initial_weights import load_initial_weights

SHAPE = ModelConfig(block_size=16, n_layer=1, n_head=2, n_embd=16)
TRAIN = TrainConfig(
    steps=30,
    batch_size=4,
    micro_batch_size=4,
    lr=1e-2,
    warmup_steps=2,
    eval_every=30,
    device="cpu",
)


@pytest.fixture
def tokenizer(tokens):
    return Tokenizer.load(tokens / "tokenizer")


def make_model(tokenizer, **changes):
    shape = SHAPE.model_copy(update=changes)
    return GPT2(GPT2Config(vocab_size=tokenizer.vocab_size, **shape.model_dump()))


@pytest.mark.slow
def test_a_training_goes_on_from_the_weights_of_another(tokens, tmp_path):
    first = RunConfig(model=SHAPE, train=TRAIN)
    run(first, {"tokens": tokens}, tmp_path / "first", Runtime())
    weights = tmp_path / "first" / "checkpoint"
    run(first, {"tokens": tokens, "weights": weights}, tmp_path / "second", Runtime())
    scratch, tuned = (read_metrics(tmp_path / name) for name in ("first", "second"))
    assert tuned[0]["loss"] < scratch[0]["loss"] - 1
    assert tuned[0]["loss"] == pytest.approx(scratch[-1]["loss"], abs=0.7)


def test_weights_of_another_shape_are_refused_with_the_setting_that_fits(tokenizer, tmp_path):
    save_checkpoint(tmp_path, make_model(tokenizer, n_layer=2), tokenizer, step=1)
    with pytest.raises(UsageError, match="n_layer 2, the recipe 1") as failure:
        load_initial_weights(make_model(tokenizer), tokenizer, tmp_path)
    assert "--set model.n_layer=2" in failure.value.hint


def test_weights_of_another_vocabulary_are_refused(tokenizer, tmp_path):
    other = Tokenizer.train(["other words altogether, and again other words"], 260)
    save_checkpoint(tmp_path, make_model(other), other, step=1)
    with pytest.raises(UsageError, match="another vocabulary"):
        load_initial_weights(make_model(tokenizer), tokenizer, tmp_path)


def test_the_weights_themselves_arrive(tokenizer, tmp_path):
    torch.manual_seed(1)
    given = make_model(tokenizer)
    save_checkpoint(tmp_path, given, tokenizer, step=1)
    model = make_model(tokenizer)
    load_initial_weights(model, tokenizer, tmp_path)
    assert all(torch.equal(w, given.state_dict()[n]) for n, w in model.state_dict().items())
