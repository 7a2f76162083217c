"""GPT-2's weights load under all the names they are published with, and nothing else does."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from corpus.errors import WebtextError
from model.checkpoint import load_checkpoint, load_weights
from model.hugging_face.weight_files import WEIGHTS


def rewrite(folder, change):
    save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS, metadata={"format": "pt"})


def logits(folder):
    with torch.no_grad():
        return load_checkpoint(folder).model(torch.arange(16)[None])


@torch.no_grad()
def assert_same(folder, theirs, tolerance=1e-5):
    expected = theirs(torch.arange(16)[None]).logits
    assert (logits(folder) - expected).abs().max() < tolerance


def test_openai_s_names_without_prefix_and_with_causal_masks_load(published, theirs):
    masks = {f"h.{i}.attn.bias": torch.ones(1, 1, 16, 16) for i in range(2)}
    masks["h.0.attn.masked_bias"] = torch.tensor(-1e4)

    rewrite(
        published,
        lambda weights: {k.removeprefix("transformer."): w for k, w in weights.items()} | masks,
    )
    assert "h.0.ln_1.weight" in load_file(published / WEIGHTS)
    assert_same(published, theirs)


def test_a_tied_head_that_is_written_out_loads(published, theirs):
    rewrite(published, lambda w: w | {"lm_head.weight": w["transformer.wte.weight"].clone()})
    assert_same(published, theirs)


def test_an_untied_head_is_refused(published):
    rewrite(published, lambda w: w | {"lm_head.weight": w["transformer.wte.weight"] + 1})
    with pytest.raises(WebtextError, match=r"lm_head\.weight is not its wte\.weight"):
        load_checkpoint(published)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_fp32(published, dtype):
    exact = load_weights(published)
    rewrite(published, lambda weights: {k: w.to(dtype) for k, w in weights.items()})
    loaded = load_weights(published)
    for name, weight in loaded.items():
        assert weight.dtype == torch.float32
        assert torch.equal(weight, exact[name].to(dtype).float())


def test_padding_rows_are_zero(published):
    embedding = load_weights(published)["wte.weight"]
    assert embedding.shape == (320, 16)
    assert not embedding[300:].any()


def test_quantised_weights_are_refused(published):
    rewrite(published, lambda weights: {k: w.to(torch.int8) for k, w in weights.items()})
    with pytest.raises(WebtextError, match="int8: quantised"):
        load_weights(published)


def test_missing_and_foreign_tensors_are_named(published):
    rewrite(published, lambda w: w | {"score.weight": torch.ones(2, 16)})
    with pytest.raises(WebtextError, match=r"score\.weight, which GPT-2 does not have"):
        load_weights(published)
    rewrite(
        published,
        lambda w: {k: v for k, v in w.items() if "score" not in k and "ln_f.bias" not in k},
    )
    with pytest.raises(WebtextError, match=r"no ln_f\.bias"):
        load_weights(published)
