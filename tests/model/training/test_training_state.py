"""Reading a training's checkpoints: the newest whole one, or an error that says what to remove."""

import json
from pathlib import Path

import pytest
import torch

from corpus.errors import WebtextError
from corpus.stage import describe_shards
from model.checkpoint import load_checkpoint
from model.training.training_state import (
    TrainingState,
    link_final,
    newest,
    read_optimizer,
    read_state,
    read_weights,
)
from tests.model.training.small_training import (
    CONFIG,
    check_whole,
    make_checkpoints,
    make_state,
    save,
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with the checkpoints of steps 5 and 10."""
    checkpoints = make_checkpoints(tmp_path)
    for step in (5, 10):
        save(checkpoints, step)
    checkpoints.wait()
    return tmp_path


def folder_of(run: Path, step: int) -> Path:
    return run / "checkpoints" / f"step-{step:08d}"


def test_the_newest_has_the_highest_step_of_the_complete_ones(run: Path):
    (run / "checkpoints" / ".step-00000015.0.tmp").mkdir()
    (run / "checkpoints" / "step-notes").mkdir()
    assert newest(run) == folder_of(run, 10)


def test_a_run_that_has_not_begun_has_none(tmp_path: Path):
    assert newest(tmp_path) is None
    with pytest.raises(WebtextError, match="no complete checkpoint"):
        link_final(tmp_path)


def test_a_state_comes_back_as_it_was(run: Path):
    state = read_state(folder_of(run, 10))
    assert state == make_state(10)
    assert state.guard == {"losses": [9.1, 0.1 + 0.2], "norms": [float("inf")]}


def test_equal_states_are_equal_bytes_whatever_the_order_of_their_keys():
    fields = make_state(1).model_dump()
    fields["config"] = dict(reversed(fields["config"].items()))
    assert TrainingState.model_validate(fields).to_json() == make_state(1).to_json()
    assert json.loads(make_state(1).to_json())["step"] == 1


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("training.json", read_state),
        ("optimizer-00000-of-00001.safetensors", read_optimizer),
        ("model.safetensors", read_weights),
        ("config.json", read_weights),
    ],
)
@pytest.mark.parametrize("damage", ["truncated", "empty", "missing"])
def test_a_damaged_file_is_named_with_the_folder_to_remove(run: Path, name, read, damage):
    path = folder_of(run, 10) / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"")
    with pytest.raises(WebtextError) as caught:
        read(folder_of(run, 10))
    assert f"{folder_of(run, 10)} is damaged" in caught.value.message
    assert name in caught.value.message
    assert "Remove that folder" in caught.value.hint
    assert check_whole(folder_of(run, 5)) == 5


def test_the_share_of_one_rank_alone_is_not_taken_for_the_whole(run: Path):
    folder = folder_of(run, 10)
    whole = folder / "optimizer-00000-of-00001.safetensors"
    whole.rename(folder / "optimizer-00000-of-00002.safetensors")
    with pytest.raises(WebtextError, match="optimizer-00001-of-00002"):
        read_optimizer(folder)


def test_the_final_model_is_the_newest_without_what_only_a_training_needs(run: Path):
    link_final(run)
    final = run / "checkpoint"
    weights = final / "model.safetensors"
    assert weights.samefile(folder_of(run, 10) / weights.name)
    assert not list(final.glob("optimizer-*"))
    assert not (final / "training.json").exists()
    assert load_checkpoint(final).step == 10


def test_a_later_final_model_takes_the_place_of_the_first_as_a_whole(run: Path):
    link_final(run)
    (run / "checkpoint" / "of-the-first").touch()
    (run / ".checkpoint.tmp").mkdir()  # as a kill leaves it
    (run / ".checkpoint.tmp" / "half").touch()
    checkpoints = make_checkpoints(run)
    save(checkpoints, 15)
    checkpoints.wait()
    link_final(run)
    checkpoint = load_checkpoint(run / "checkpoint")
    assert checkpoint.step == 15
    rows = checkpoint.model.wte.weight[: CONFIG.vocab_size]
    torch.testing.assert_close(rows, torch.full_like(rows, 15))
    assert not {"of-the-first", "half"} & {path.name for path in (run / "checkpoint").iterdir()}
    assert [path.name for path in run.glob(".*")] == []


def test_the_final_model_outlives_the_checkpoint_it_was_made_of(run: Path):
    link_final(run)
    checkpoints = make_checkpoints(run, keep=1)
    save(checkpoints, 15)
    checkpoints.wait()
    assert not folder_of(run, 10).exists()
    assert load_checkpoint(run / "checkpoint").step == 10


def test_the_checkpoints_of_a_training_are_no_part_of_its_content(run: Path):
    link_final(run)
    (run / "checkpoints" / ".step-00000015.0.tmp").mkdir()
    (run / "checkpoints" / ".step-00000015.0.tmp" / "training.json").touch()
    kinds = {shard.name: shard.kind for shard in describe_shards(run)}
    assert kinds["checkpoint/model.safetensors"] == "data"
    assert kinds["checkpoints/step-00000010/model.safetensors"] == "lineage"
    assert {kind for name, kind in kinds.items() if name.startswith("checkpoints/")} == {"lineage"}
    assert not [name for name in kinds if "/." in name or name.startswith(".")]
