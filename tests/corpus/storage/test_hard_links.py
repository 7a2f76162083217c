"""A finished file gets a second name."""

import errno

import pytest

from corpus.storage.hard_links import link_file


def test_a_second_name_shares_the_bytes(tmp_path):
    source, path = tmp_path / "source", tmp_path / "new" / "path"
    source.write_bytes(b"content")
    link_file(source, path)
    assert path.samefile(source)
    link_file(source, path)  # again, after a kill
    assert [p.name for p in path.parent.iterdir()] == ["path"]


def test_what_a_killed_run_left_is_no_hindrance(tmp_path):
    source, path = tmp_path / "source", tmp_path / "path"
    source.write_bytes(b"content")
    (tmp_path / ".path.part").write_bytes(b"con")
    link_file(source, path)
    assert path.samefile(source)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["path", "source"]


def test_across_file_systems_it_is_a_copy(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EXDEV, "another file system")

    monkeypatch.setattr("os.link", refuse)
    source, path = tmp_path / "source", tmp_path / "path"
    source.write_bytes(b"content")
    link_file(source, path)
    assert not path.samefile(source)
    assert path.read_bytes() == b"content"


def test_a_missing_source_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError):
        link_file(tmp_path / "source", tmp_path / "path")
    assert list(tmp_path.iterdir()) == []
