"""A finished training is a version of a registered model that MLflow loads and asks."""

import shutil

import mlflow  # noqa: TID251  as somebody else would load the model
import pytest
import torch
from mlflow import MlflowClient  # noqa: TID251
from pandas import DataFrame

from corpus.runtime import SilentProgress
from corpus.tokenizer import Tokenizer
from model.checkpoint import load_checkpoint, save_checkpoint
from model.generation.settings import SampleConfig
from model.generation.text import write_texts
from model.gpt2 import GPT2
from model.settings import CHECKPOINT, GPT2Config
from model.tracking.run_record import Details
from model.tracking.tracker import open_tracker

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)

PROMPTS = ["the crawler", "a page", ""]


@pytest.fixture(scope="module")
def trained(tokens, tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("run")
    tokenizer = Tokenizer.load(tokens / "tokenizer")
    shape = GPT2Config(
        vocab_size=tokenizer.vocab_size, block_size=16, n_layer=1, n_head=1, n_embd=8
    )
    save_checkpoint(folder / CHECKPOINT, GPT2(shape), tokenizer, step=3)
    return folder


def finish(uri, folder, name):
    details = Details(model=name)
    progress = SilentProgress()
    with open_tracker(uri).follow("train", folder, f"of {name}", {}, {}, progress, details):
        pass


@pytest.fixture
def load_from(monkeypatch):
    """Choose where models are loaded from for one test: MLflow puts it into the environment."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    before = mlflow.get_tracking_uri()
    yield mlflow.set_tracking_uri
    mlflow.set_tracking_uri(before)


@pytest.mark.parametrize("kind", ["a folder of artifacts", "a server's artifacts"])
def test_a_registered_model_writes_what_the_checkpoint_writes(
    kind, uri, gate, trained, tmp_path, client, runs, load_from
):
    is_local = kind == "a folder of artifacts"
    address, name = (uri, "webtext-local") if is_local else (gate.uri, "webtext-served")
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    finish(address, folder, name)
    (version,) = client.search_model_versions(f"name = '{name}'")
    assert (version.version, version.run_id) == (1, runs(f"of {name}")[0].info.run_id)
    load_from(address)
    loaded = mlflow.pyfunc.load_model(f"models:/{name}/1")
    signature = loaded.metadata.signature
    assert signature.inputs.to_dict() == [{"type": "string", "name": "prompt", "required": True}]
    assert [each["type"] for each in signature.outputs.to_dict()] == ["string"]
    texts = write_texts(load_checkpoint(folder / CHECKPOINT), PROMPTS, SampleConfig())
    expected = ["".join(pieces) for pieces in texts]
    assert loaded.predict(DataFrame({"prompt": PROMPTS})) == expected
    stored = (
        client.list_artifacts(version.run_id, "model/checkpoint")
        if is_local
        else (MlflowClient(address).list_artifacts(version.run_id, "model/checkpoint"))
    )
    names = {each.path.rpartition("/")[2] for each in stored}
    assert names == {each.name for each in (folder / CHECKPOINT).iterdir()}
    assert not [name for name in names if name.endswith((".pkl", ".pt", ".bin"))]


def test_a_training_that_is_followed_again_makes_no_second_version(uri, trained, tmp_path, client):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    finish(uri, folder, "webtext-twice")
    finish(uri, folder, "webtext-twice")
    assert len(client.search_model_versions("name = 'webtext-twice'")) == 1
    other = tmp_path / "other"
    shutil.copytree(trained, other)
    finish(uri, other, "webtext-twice")
    versions = client.search_model_versions("name = 'webtext-twice'")
    assert sorted(int(each.version) for each in versions) == [1, 2]


def test_a_folder_of_artifacts_links_the_weights(uri, trained, tmp_path, client, runs):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    finish(uri, folder, "webtext-linked")
    weights = folder / CHECKPOINT / "model.safetensors"
    assert weights.stat().st_nlink == 2, "no byte was copied"
    weights.unlink()
    run_id = runs("of webtext-linked")[0].info.run_id
    kept = client.download_artifacts(run_id, "model/checkpoint/model.safetensors")
    assert kept


def test_a_stopped_training_registers_nothing(uri, trained, client):
    progress, details = SilentProgress(), Details(model="webtext-stopped")
    with (
        pytest.raises(KeyboardInterrupt),
        open_tracker(uri).follow("train", trained, "stopped", {}, {}, progress, details),
    ):
        raise KeyboardInterrupt
    assert client.search_model_versions("name = 'webtext-stopped'") == []
