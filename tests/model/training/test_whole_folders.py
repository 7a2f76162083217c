"""Folders that are there as a whole or not at all."""

from pathlib import Path

import pytest

from model.training.whole_folders import put_in_place, remove_folder, remove_hidden


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "step-1").mkdir()
    (tmp_path / "step-1" / "file").write_text("old")
    return tmp_path / "step-1"


def test_a_folder_takes_the_place_of_another_as_a_whole(folder: Path):
    temporary = folder.with_name(".new")
    temporary.mkdir()
    (temporary / "other").write_text("new")
    put_in_place(temporary, folder)
    assert [path.name for path in folder.iterdir()] == ["other"]
    assert list(folder.parent.iterdir()) == [folder]


def test_a_removal_that_was_killed_can_be_done_again(folder: Path):
    folder.with_name(".step-1.old").mkdir()
    (folder.with_name(".step-1.old") / "half").touch()
    remove_folder(folder)
    assert list(folder.parent.iterdir()) == []


def test_only_hidden_folders_of_the_prefix_are_cleared_away(folder: Path):
    for name in (".step-1.old", ".step-2.0.tmp", ".other"):
        folder.with_name(name).mkdir()
    remove_hidden(folder.parent, "step-")
    assert sorted(path.name for path in folder.parent.iterdir()) == [".other", "step-1"]
