"""Weights are read from one safetensors file or many; a pickle is refused unopened."""

import json
import pickle

import pytest
import torch

from corpus.errors import WebtextError
from model.checkpoint import load_checkpoint, load_weights
from model.hugging_face.weight_files import INDEX, WEIGHTS


@pytest.fixture
def in_shards(write_theirs):
    folder = write_theirs(max_shard_size="20KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    return folder


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return exec, ("raise SystemExit('the pickle was opened')",)


@torch.no_grad()
def test_weights_in_several_files_load(in_shards, theirs):
    ids = torch.arange(16)[None]
    model = load_checkpoint(in_shards).model
    assert (model(ids) - theirs(ids).logits).abs().max() < 1e-5


def test_a_missing_shard_is_named(in_shards):
    shard = sorted(in_shards.glob("model-*.safetensors"))[1]
    shard.unlink()
    with pytest.raises(WebtextError, match=shard.name):
        load_weights(in_shards)


def test_a_tensor_that_is_in_no_shard_is_named(in_shards):
    index = json.loads((in_shards / INDEX).read_bytes())
    index["weight_map"]["transformer.h.9.ln_1.bias"] = next(iter(index["weight_map"].values()))
    (in_shards / INDEX).write_text(json.dumps(index))
    with pytest.raises(WebtextError, match=r"h\.9\.ln_1\.bias, which is in none"):
        load_weights(in_shards)


@pytest.mark.parametrize(
    "file", ["../model.safetensors", "/etc/passwd", "pytorch_model.bin", 3, ".."]
)
def test_an_index_that_points_elsewhere_is_refused(in_shards, file):
    (in_shards / INDEX).write_text(json.dumps({"weight_map": {"wte.weight": file}}))
    with pytest.raises(WebtextError, match="no safetensors file here"):
        load_weights(in_shards)


@pytest.mark.parametrize("content", ["", "{}", '{"weight_map": 3}', "[]"])
def test_a_damaged_index_is_refused(in_shards, content):
    (in_shards / INDEX).write_text(content)
    with pytest.raises(WebtextError, match=r"index\.json is damaged"):
        load_weights(in_shards)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.ckpt", "weights.pt", "model.pth"])
def test_a_pickle_is_refused_and_never_opened(published, name):
    (published / WEIGHTS).unlink()
    (published / name).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(WebtextError, match=name) as error:
        load_checkpoint(published)
    assert "convert to safetensors" in error.value.hint


def test_a_pickle_under_the_name_of_safetensors_is_refused(published):
    (published / WEIGHTS).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(WebtextError, match="is damaged"):
        load_checkpoint(published)
