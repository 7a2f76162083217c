"""`webtext sample` writes from any weights, one text or many, to people and to files."""

import io
import shutil

import pytest
from rich.console import Console

from corpus.errors import UsageError, WebtextError
from corpus.tokenizer import Tokenizer
from flows.commands import sample as module
from flows.commands.sample import sample
from flows.corpora.find_weights import find_final_weights, find_weights
from model.checkpoint import load_checkpoint, save_checkpoint
from model.generation.settings import SampleConfig
from model.generation.text import write_texts
from tests.model.generation.tiny_models import tiny_model

SHORT = ["sample.max_new_tokens=12"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    save_checkpoint(folder, tiny_model(16, vocab_size=257), Tokenizer.from_merges([]), step=1)
    return folder


@pytest.fixture
def data(tmp_path, weights):
    """A data folder with three runs: one done, one that trains, one that has just begun."""
    shutil.copytree(weights, tmp_path / "runs" / "ab01" / "checkpoint")
    for step in (5, 10):
        folder = tmp_path / "runs" / "ab02" / "checkpoints" / f"step-{step:08d}"
        shutil.copytree(weights, folder)
    (tmp_path / "runs" / "ab02" / "checkpoints" / ".step-00000015").mkdir()
    (tmp_path / "runs" / "c3" / "checkpoints").mkdir(parents=True)
    return tmp_path


def expected(weights, prompts, **config):
    settings = SampleConfig(max_new_tokens=12, **config)
    texts = write_texts(load_checkpoint(weights), prompts, settings)
    return [prompt + "".join(text) for prompt, text in zip(prompts, texts, strict=True)]


def test_one_text_is_printed_as_it_is(weights, capsys):
    sample(str(weights), "The [b]page[/b]", overrides=SHORT)
    assert capsys.readouterr().out == f"{expected(weights, ['The [b]page[/b]'])[0]}\n"


def test_overrides_decide_how_boldly(weights, capsys):
    sample(str(weights), "The", overrides=[*SHORT, "sample.top_k=all", "sample.temperature=0"])
    assert capsys.readouterr().out == f"{expected(weights, ['The'], temperature=0)[0]}\n"


def test_several_texts_per_line_of_a_file_are_numbered(weights, tmp_path, capsys):
    (tmp_path / "prompts").write_text("The page\n\nIts text\n")
    sample(str(weights), prompts=tmp_path / "prompts", num=2, overrides=SHORT)
    texts = expected(weights, ["The page", "The page", "Its text", "Its text"])
    assert len(set(texts)) == 4
    shown = [f"--- {number} of 4 ---\n{text}\n" for number, text in enumerate(texts, start=1)]
    assert capsys.readouterr().out == "".join(shown)


def test_without_a_prompt_a_document_of_the_model_s_own(weights, capsys):
    sample(str(weights), overrides=SHORT)
    assert capsys.readouterr().out == f"{expected(weights, [''])[0]}\n"


def test_a_terminal_gets_no_control_characters(weights, monkeypatch):
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, color_system=None, highlight=False)
    monkeypatch.setattr(module, "console", console)
    sample(str(weights), "\x1b[2J", overrides=["sample.max_new_tokens=60", "sample.top_k=all"])
    assert "\N{REPLACEMENT CHARACTER}[2J" in file.getvalue()
    assert not {c for c in file.getvalue() if c < " "} - {"\n", "\t"}


@pytest.mark.parametrize(
    ("name", "checkpoint"), [("ab01", "checkpoint"), ("ab02", "checkpoints/step-00000010")]
)
def test_a_run_is_found_finished_or_not(data, name, checkpoint):
    folder = data / "runs" / name
    assert find_weights(data, name) == folder / checkpoint
    assert find_weights(data, str(folder)) == folder / checkpoint


def test_a_folder_of_weights_is_found(data, weights):
    assert find_weights(data, str(weights)) == weights


def test_a_training_begins_from_weights_that_stay(data, weights):
    with pytest.raises(UsageError, match="ab02 still trains") as refusal:
        find_final_weights(data, "ab02")
    newest = data / "runs" / "ab02" / "checkpoints" / "step-00000010"
    assert str(newest) in refusal.value.hint
    for name in ("ab01", str(newest), str(weights)):
        assert find_final_weights(data, name) == find_weights(data, name)


def test_the_folder_of_another_stage_is_no_run(data):
    (data / "tokens" / "k").mkdir(parents=True)
    (data / "tokens" / "k" / "manifest.json").write_text("{}")
    with pytest.raises(WebtextError, match="no usable checkpoint"):
        load_checkpoint(find_weights(data, str(data / "tokens" / "k")))


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("ab", UsageError, "more than one run"),
        ("beef", UsageError, "called beef"),
        ("/nowhere", UsageError, "called /nowhere"),
        ("c3", WebtextError, "no checkpoint yet"),
    ],
)
def test_a_name_that_means_no_weights(data, name, error, message):
    with pytest.raises(error, match=message):
        find_weights(data, name)


@pytest.mark.parametrize(
    ("content", "message"), [(None, "cannot be read"), (b"\xff", "cannot be read"), (b"\n", "no p")]
)
def test_a_file_without_prompts_is_wrong_usage(weights, tmp_path, content, message):
    if content is not None:
        (tmp_path / "prompts").write_bytes(content)
    with pytest.raises(UsageError, match=message):
        sample(str(weights), prompts=tmp_path / "prompts")


def test_two_kinds_of_prompts_are_wrong_usage(weights, tmp_path):
    with pytest.raises(UsageError, match="both given"):
        sample(str(weights), "The", prompts=tmp_path / "prompts")
