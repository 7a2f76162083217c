"""Samples are text of the model's, the same for the same seed."""

import pytest

from corpus.errors import WebtextError
from corpus.runtime import Runtime
from corpus.shards import read_rows
from corpus.tokenizer import Tokenizer
from model.checkpoint import load_checkpoint, save_checkpoint
from model.generation.sample import run
from model.generation.settings import SampleConfig
from model.generation.text import write_texts
from model.settings import CHECKPOINT
from tests.model.generation.tiny_models import tiny_model


@pytest.fixture(scope="module")
def trained(tokens, tmp_path_factory):
    """The folder of a run."""
    folder = tmp_path_factory.mktemp("run")
    tokenizer = Tokenizer.load(tokens / "tokenizer")
    model = tiny_model(8, vocab_size=tokenizer.vocab_size)
    save_checkpoint(folder / CHECKPOINT, model, tokenizer, step=1)
    return folder


def test_a_row_per_prompt(trained, tmp_path):
    config = SampleConfig(prompts=("the", "a page"), max_new_tokens=20)
    manifest = run(config, {"run": trained}, tmp_path, Runtime())
    rows = list(read_rows(tmp_path / "samples-00000.arrow"))
    checkpoint = load_checkpoint(trained / CHECKPOINT)
    texts = write_texts(checkpoint, config.prompts, config)
    assert [row["prompt"] for row in rows] == ["the", "a page"]
    assert [row["text"] for row in rows] == ["".join(pieces) for pieces in texts]
    assert manifest.counts.out == 2


def test_without_prompts_as_many_texts_as_wanted(trained, tmp_path):
    config = SampleConfig(num_samples=9, max_new_tokens=5)
    assert run(config, {"run": trained}, tmp_path / "a", Runtime()).counts.out == 9
    again = run(config, {"run": trained}, tmp_path / "b", Runtime())
    assert again.hash == run(config, {"run": trained}, tmp_path / "c", Runtime()).hash


def test_batches_are_no_part_of_what_is_written():
    assert SampleConfig(batch_size=1).identity() == SampleConfig(batch_size=8).identity()
    assert SampleConfig(top_p=0.9).identity() != SampleConfig().identity()


def test_a_run_without_a_checkpoint_is_an_error(tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(WebtextError, match="no usable checkpoint"):
        run(SampleConfig(), {"run": tmp_path / "run"}, tmp_path / "output", Runtime())
