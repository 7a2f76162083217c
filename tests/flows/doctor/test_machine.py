import resource
import sys
from pathlib import Path

import pytest

from flows.doctor.machine import check_disk, check_libraries, check_memory, check_open_files


def test_libraries_as_installed_are_those_asked_for():
    assert check_libraries().status == "ok"


def test_a_version_that_was_not_tested_is_named(tmp_path: Path):
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("rich==1.0\npydantic==0.1\n")
    found = check_libraries(constraints)
    assert found.status == "warn"
    assert "(tested: 1.0)" in found.seen
    assert "pydantic" in found.seen
    assert "make install" in found.remedy


def test_the_disk_of_a_folder_that_is_not_there_yet_is_that_of_its_parent(tmp_path: Path):
    assert str(tmp_path) in check_disk(tmp_path / "not" / "yet").seen


@pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux has them")
def test_few_open_files_are_too_few_for_a_crawl():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        found = check_open_files()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert found.status == "warn"
    assert found.remedy.startswith("ulimit -n")


def test_more_workers_than_memory_has_room_for():
    found = check_memory(workers=100_000)
    assert found.status == "warn"
    assert "--workers" in found.remedy
