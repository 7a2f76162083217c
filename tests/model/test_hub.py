"""A name becomes a folder of weights: one here, or one that the hub has, fetched once."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from corpus.errors import UsageError
from corpus.tokenizer import Tokenizer
from model.checkpoint import load_checkpoint, save_checkpoint
from model.gpt2 import GPT2
from model.hub import resolve_weights
from model.settings import CHECKPOINT, GPT2Config
from tests.model.hub_server import COMMIT, hub_server

ROOT = Path(__file__).parents[2]

# huggingface_hub reads its environment once, so each environment is a process of its own.
RESOLVE = """
import json, sys
from corpus.errors import WebtextError
from model.hub import resolve_weights
for name in sys.argv[1:]:
    try:
        said = [str(resolve_weights(name)), ""]
    except WebtextError as exc:
        said = [exc.message, exc.hint]
    print(json.dumps(said))
"""


def resolve_all(hub, home, *names):
    """What each name resolves to, or the error and its hint, in a process of their own."""
    environment = os.environ | {"HF_ENDPOINT": hub, "HF_HOME": str(home)}
    result = subprocess.run(
        [sys.executable, "-c", RESOLVE, *names],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "published"
    tokenizer = Tokenizer.from_merges([("a", "b")])
    config = GPT2Config(vocab_size=258, block_size=4, n_layer=1, n_head=1, n_embd=4)
    save_checkpoint(folder, GPT2(config), tokenizer, step=5)
    return folder


@pytest.fixture
def models(folder, tmp_path):
    """The hub's GPT-2, with all that its page has beside what we read, and one without weights."""
    for name in ("pytorch_model.bin", "tf_model.h5", "onnx/model.onnx", "onnx/config.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")
    pickled = tmp_path / "pickled"
    shutil.copytree(folder, pickled)
    (pickled / "model.safetensors").unlink()
    return {"openai-community/gpt2": folder, "somebody/pickled": pickled}


def test_a_model_is_fetched_once_without_pickles_and_is_there_without_the_hub(models, tmp_path):
    home = tmp_path / "home"
    with hub_server(models) as (hub, asked):
        names = ["gpt2", "117M", "openai-community/gpt2", "nobody/nothing", "somebody/pickled"]
        small, by_size, by_name, nothing, pickled = resolve_all(hub, home, *names)
    assert small == by_size == by_name
    fetched = Path(small[0])
    assert fetched.is_relative_to(home)
    assert fetched.name == COMMIT
    assert not [path for path in asked if path.endswith((".bin", ".h5", "onnx"))]
    assert (fetched / "model.safetensors").is_file()
    assert not (fetched / "onnx").exists()
    expected, checkpoint = (load_checkpoint(each) for each in (models[names[2]], fetched))
    ids = torch.arange(4)[None]
    assert torch.equal(checkpoint.model(ids), expected.model(ids))
    assert checkpoint.step == 5
    assert "has no model nobody/nothing" in nothing[0]
    assert "HF_TOKEN" in nothing[1]
    assert "somebody/pickled has no safetensors" in pickled[0]
    # The server is gone now.
    again, other = resolve_all(hub, home, "gpt2", "1542M")
    assert again == small
    assert f"openai-community/gpt2-xl is not here, and could not be fetched from {hub}" in other[0]
    assert "hf download openai-community/gpt2-xl --local-dir FOLDER" in other[1]


def test_a_folder_is_itself_and_a_run_is_its_checkpoint(folder, tmp_path):
    assert resolve_weights(str(folder)) == folder
    shutil.copytree(folder, tmp_path / "run" / CHECKPOINT)
    assert resolve_weights(str(tmp_path / "run")) == tmp_path / "run" / CHECKPOINT


@pytest.mark.parametrize(
    "name", ["./nowhere", "/no/folder", "~/no/model", "gpt3", "a/b/c", "runs/", "a b/c"]
)
def test_what_is_neither_a_folder_nor_a_model_is_refused_unasked(name):
    with pytest.raises(UsageError) as error:
        resolve_weights(name)
    assert name in error.value.message


def test_a_file_is_refused(folder):
    with pytest.raises(UsageError, match="no folder"):
        resolve_weights(str(folder / "model.safetensors"))
