"""config.json decides the model; one that we could not compute exactly is refused."""

import json

import pytest

from corpus.errors import WebtextError
from model.checkpoint import load_checkpoint
from model.hugging_face.config import CONFIG, read_config


def change(folder, **keys):
    content = json.loads((folder / CONFIG).read_bytes()) | keys
    (folder / CONFIG).write_text(json.dumps({k: v for k, v in content.items() if v != "absent"}))


def test_the_shape_and_the_steps_are_read(published):
    config, step = read_config(published)
    assert (config.vocab_size, config.block_size) == (300, 16)
    assert (config.n_layer, config.n_head, config.n_embd) == (2, 2, 16)
    assert step == 0
    change(published, webtext={"step": 12, "later": "key"}, n_ctx=16)
    assert read_config(published)[1] == 12


def test_absent_keys_mean_what_transformers_means_by_them(tmp_path):
    (tmp_path / CONFIG).write_text('{"model_type": "gpt2"}')
    config, _ = read_config(tmp_path)
    assert (config.n_layer, config.n_head, config.n_embd) == (12, 12, 768)
    assert (config.block_size, config.vocab_size) == (1024, 50_257)


@pytest.mark.parametrize(
    "same",
    [
        {"activation_function": "gelu_pytorch_tanh"},
        {"n_inner": 64},
        {"reorder_and_upcast_attn": True},
        {"model_type": "gpt2", "summary_type": "mean"},
    ],
)
def test_other_words_for_the_same_model_are_read(published, same):
    change(published, **same)
    load_checkpoint(published)


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"model_type": "gpt_neo"}, "model_type.*gpt2.*gpt_neo"),
        ({"model_type": "absent"}, "model_type: Field required"),
        ({"activation_function": "relu"}, "activation_function.*gelu_new.*relu"),
        ({"activation_function": "gelu"}, "activation_function.*'gelu'"),
        ({"layer_norm_epsilon": 1e-6}, "layer_norm_epsilon.*must be 1e-05"),
        ({"n_inner": 32}, r"n_inner must be null or 4 \* n_embd, got 32"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
        ({"scale_attn_weights": False}, "scale_attn_weights"),
        ({"add_cross_attention": True}, "add_cross_attention"),
        ({"n_head": 3}, "n_embd .16. is not a multiple of n_head .3."),
        ({"n_layer": "many"}, "n_layer.*integer.*many"),
        ({"n_layer": 0}, "n_layer.*greater"),
    ],
)
def test_another_model_is_refused_by_its_key(published, other, named):
    change(published, **other)
    with pytest.raises(WebtextError, match=named) as error:
        load_checkpoint(published)
    assert str(published) in error.value.message
    assert "GPT-2" in error.value.hint


@pytest.mark.parametrize("content", ["", "[]", "{", "null", '{"model_type": 3}', "\xff"])
def test_what_is_no_config_is_refused(tmp_path, content):
    (tmp_path / CONFIG).write_text(content, encoding="latin-1")
    with pytest.raises(WebtextError, match=r"config\.json"):
        read_config(tmp_path)
