"""Prefect's empty database: kept once, copied into new data folders, never one that was used."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from flows.prefect_database import keep_empty, start_from_kept


def make_database(home: Path, flow_runs: int) -> None:
    home.mkdir()
    with closing(sqlite3.connect(home / "prefect.db")) as database:
        database.execute("CREATE TABLE flow_run (id TEXT)")
        database.executemany("INSERT INTO flow_run VALUES (?)", [("a run",)] * flow_runs)
        database.commit()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WEBTEXT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_new_home_gets_a_copy_of_what_was_kept(tmp_path: Path):
    make_database(tmp_path / "first", flow_runs=0)
    keep_empty(tmp_path / "first")
    start_from_kept(tmp_path / "second")
    with closing(sqlite3.connect(tmp_path / "second" / "prefect.db")) as database:
        assert database.execute("SELECT count(*) FROM flow_run").fetchone() == (0,)


def test_a_used_database_is_not_kept(tmp_path: Path, cache: Path):
    make_database(tmp_path / "used", flow_runs=1)
    keep_empty(tmp_path / "used")
    assert not list(cache.glob("*.db"))
    start_from_kept(tmp_path / "new")
    assert not (tmp_path / "new" / "prefect.db").exists()


def test_a_home_with_records_keeps_them(tmp_path: Path):
    make_database(tmp_path / "empty", flow_runs=0)
    keep_empty(tmp_path / "empty")
    make_database(tmp_path / "used", flow_runs=3)
    start_from_kept(tmp_path / "used")
    with closing(sqlite3.connect(tmp_path / "used" / "prefect.db")) as database:
        assert database.execute("SELECT count(*) FROM flow_run").fetchone() == (3,)


def test_a_cache_that_cannot_be_written_to_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "a-file").touch()
    monkeypatch.setenv("WEBTEXT_CACHE", str(tmp_path / "a-file"))
    make_database(tmp_path / "empty", flow_runs=0)
    keep_empty(tmp_path / "empty")
    start_from_kept(tmp_path / "new")
