"""Files below a folder: behind links too, without what is hidden, and without going in circles."""

from pathlib import Path

from corpus.stage import describe_input
from corpus.walk import files_below


def write(path: Path, text: str = "a") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_hidden_files_are_left_out_and_those_behind_links_are_not(tmp_path: Path):
    elsewhere = write(tmp_path / "elsewhere" / "test.jsonl").parent
    top = tmp_path / "sets"
    here = [write(top / "a.txt"), write(top / "b" / "c" / "d.txt")]
    write(top / ".hidden")
    write(top / "b" / ".part" / "e.txt")
    (top / "linked").symlink_to(elsewhere)
    (top / "gone").symlink_to(tmp_path / "nowhere")
    assert files_below(top) == [*here, top / "linked" / "test.jsonl"]


def test_links_that_lead_back_end(tmp_path: Path):
    top = tmp_path / "sets"
    one, two = write(top / "one" / "a.txt"), write(top / "two" / "b.txt")
    (top / "one" / "up").symlink_to(top)
    (top / "one" / "two").symlink_to(two.parent)
    (top / "two" / "one").symlink_to(one.parent)
    found = [path.relative_to(top).as_posix() for path in files_below(top)]
    assert found == ["one/a.txt", "one/two/b.txt", "two/b.txt", "two/one/a.txt"]


def test_a_change_behind_a_link_is_another_input(tmp_path: Path):
    file = write(tmp_path / "elsewhere" / "test.jsonl")
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "linked").symlink_to(file.parent)
    before = describe_input(tmp_path / "sets").hash
    write(file, "b")
    assert describe_input(tmp_path / "sets").hash != before
