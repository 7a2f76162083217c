"""`webtext export` gives a run's model to others: a folder of its own, whole or not at all."""

import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from corpus.errors import UsageError, WebtextError
from corpus.stage import StageWriter
from corpus.tokenizer import Tokenizer
from flows.commands.export import export
from model.checkpoint import load_checkpoint, save_checkpoint
from model.gpt2 import GPT2
from model.settings import CHECKPOINT, GPT2Config, RunConfig


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run's folder, of a corpus that is no longer there."""
    folder = tmp_path / "data" / "runs" / "0123456789abcdef"
    tokenizer = Tokenizer.from_merges([("a", "b")])
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=258, block_size=4, n_layer=1, n_head=1, n_embd=4)
    writer = StageWriter("run", RunConfig(), {}, folder)
    save_checkpoint(folder / CHECKPOINT, GPT2(config), tokenizer, step=5)
    writer.finish(5, num_out=5, figures={"num_tokens_seen": 20480, "val_loss": 3.5})
    return folder


def test_transformers_loads_what_is_printed(run: Path, tmp_path: Path, capsys):
    target = tmp_path / "new" / "gpt2"
    export("0123", target, tmp_path / "data")
    printed = capsys.readouterr().out
    *code, last = printed.splitlines()
    assert last == f"export: {target}"
    loaded: dict = {}
    exec("\n".join(code), loaded)
    ours = load_checkpoint(run / CHECKPOINT)
    ids = torch.tensor([[0, 1, 257, 256]])
    with torch.no_grad():
        assert torch.allclose(loaded["model"](ids).logits, ours.model(ids), atol=1e-5)
    assert loaded["tokenizer"]("abab")["input_ids"] == ours.tokenizer.encode("abab")
    assert sorted(path.name for path in target.parent.iterdir()) == ["gpt2"]


def test_the_card_tells_what_the_run_measured_and_the_rest_is_the_checkpoint(run, tmp_path):
    export(str(run), tmp_path / "out", tmp_path / "data")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| tokens seen | 20,480 |" in card
    assert "| held-out loss | 3.5000 nats per token |" in card
    for path in (run / CHECKPOINT).iterdir():
        if path.name != "README.md":
            assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


def test_a_checkpoint_folder_is_exported_too(run, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(run / CHECKPOINT)
    embedding = model.get_parameter("transformer.wte.weight").half().float()
    model.half().save_pretrained(tmp_path / "half")
    AutoTokenizer.from_pretrained(run / CHECKPOINT).save_pretrained(tmp_path / "half")
    (tmp_path / "out").mkdir()  # an empty folder is no obstacle
    export(str(tmp_path / "half"), tmp_path / "out", tmp_path / "data")
    exported = load_checkpoint(tmp_path / "out").model
    assert torch.equal(exported.wte.weight[:258], embedding)


def test_what_is_there_is_not_overwritten(run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        export(str(run), tmp_path / "out", tmp_path / "data")
    with pytest.raises(UsageError, match="not empty"):
        export(str(run), tmp_path / "out" / "thesis.txt", tmp_path / "data")
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"


def test_a_failed_export_leaves_nothing_and_a_killed_one_is_no_obstacle(run, tmp_path):
    part = tmp_path / ".out.part"
    part.mkdir()
    (part / "model.safetensors").write_bytes(b"half")
    weights = run / CHECKPOINT / "model.safetensors"
    shutil.copy(weights, tmp_path / "kept")
    weights.write_bytes(b"damaged")
    with pytest.raises(WebtextError, match=r"model\.safetensors is damaged"):
        export(str(run), tmp_path / "out", tmp_path / "data")
    assert not (tmp_path / "out").exists()
    shutil.copy(tmp_path / "kept", weights)
    export(str(run), tmp_path / "out", tmp_path / "data")
    assert load_checkpoint(tmp_path / "out").step == 5
    assert not part.exists()


def test_an_unknown_run_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="no finished run"):
        export("feed", tmp_path / "out", tmp_path / "data")
