import fcntl
import os
from pathlib import Path

from corpus.lease import leased
from flows.doctor.data_folder import check_benchmarks, check_locks, check_unfinished


def test_who_works_in_a_folder_is_named(tmp_path: Path):
    folder = tmp_path / "documents" / "0123456789abcdef"
    folder.mkdir(parents=True)
    assert check_locks(tmp_path).status == "ok"
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = check_locks(tmp_path)
        assert found.status == "warn"
        assert "documents/0123456789abcdef" in found.seen
        assert f"process {os.getpid()}" in found.seen
        assert check_unfinished(tmp_path).status == "ok"
    assert check_locks(tmp_path).status == "ok"
    left = check_unfinished(tmp_path)
    assert (left.status, left.seen) == ("warn", "documents/0123456789abcdef")


def test_who_holds_a_lease_on_a_shared_file_system_is_named_too(tmp_path: Path):
    folder = tmp_path / "documents" / "0123456789abcdef"
    folder.mkdir(parents=True)
    (folder / ".lock").touch()
    with leased(folder):
        found = check_locks(tmp_path)
        assert found.status == "warn"
        assert f"process {os.getpid()} on " in found.seen
    assert check_locks(tmp_path).status == "ok"


def test_missing_benchmark_files_cost_tasks_and_can_be_fetched(tmp_path: Path):
    found = check_benchmarks(tmp_path)
    assert found.status == "warn"
    assert "lambada" in found.seen
    assert found.remedy.startswith("webtext benchmarks fetch ")
