"""Two builds of one recipe at once, in one folder or of one bucket: the corpus is that of one."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from corpus.manifest import read_manifest
from corpus.storage.files import fetch
from corpus.storage.mirror import open_data
from flows.corpora.catalog import finished
from tests.corpus.s3_server import KEYS, make_bucket, s3_server
from tests.stack.small_recipe import link_to, write_recipe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

WEBTEXT = [sys.executable, "-m", "flows"]


@dataclass
class Build:
    """`webtext build` beside the test."""

    process: subprocess.Popen[str]

    def end(self) -> tuple[int, str]:
        """The exit code, and what was said."""
        said, _ = self.process.communicate(timeout=300)
        return self.process.returncode, said


def start(recipe: Path, data: str | Path, more: Mapping[str, str] | None = None) -> Build:
    hidden = {"PREFECT_API_URL", "PREFECT_HOME"}
    kept = {key: value for key, value in os.environ.items() if key not in hidden}
    command = [*WEBTEXT, "build", str(recipe), "--data", str(data), "--workers", "1"]
    process = subprocess.Popen(
        command,
        env=kept | dict(more or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return Build(process)


def ends_well(build: Build) -> bool:
    """Whether it made the corpus; if not, it said that another one works there, and no more."""
    exit_code, said = build.end()
    assert "Traceback" not in said, said
    assert exit_code == 0 or (exit_code == 1 and "another webtext process" in said), said
    return exit_code == 0


def shards_of(data: Path) -> dict[str, str]:
    """Every finished stage's data, by file and content."""
    return {
        f"{stage}/{folder.name}/{shard.name}": shard.sha256
        for stage in ("links", "documents", "unique", "tokens", "ngrams")
        for folder, manifest in finished(data, stage)
        for shard in manifest.shards
        if shard.kind in ("data", "rejects")
    }


def check_whole(data: Path) -> None:
    """Each byte is as its manifest says, and no file is half written."""
    [(tokens, _)] = finished(data, "tokens")
    verify = [*WEBTEXT, "corpus", "verify", str(tokens), "--data", str(data)]
    subprocess.run(verify, check=True, stdout=subprocess.DEVNULL)
    assert not list(data.glob("*/*/*.part"))
    for folder in data.glob("tokens/*"):
        assert read_manifest(folder)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    link_to(tmp_path, 40)
    return write_recipe(tmp_path)


@pytest.fixture
def alone(recipe: Path, tmp_path: Path) -> dict[str, str]:
    """What a build makes that nobody disturbs."""
    assert ends_well(start(recipe, tmp_path / "alone"))
    return shards_of(tmp_path / "alone")


def test_of_two_builds_in_one_folder_one_is_killed_at_any_moment(
    recipe: Path, alone: dict[str, str], tmp_path: Path
):
    lots = random.Random()
    for attempt in range(2):
        data = tmp_path / f"data{attempt}"
        both = [start(recipe, data), start(recipe, data)]
        time.sleep(lots.uniform(3, 18))
        killed, other = lots.sample(both, 2)
        killed.process.kill()
        killed.process.communicate()
        if not ends_well(other):  # who was first is gone: it can have the folder now
            assert ends_well(start(recipe, data))
        assert shards_of(data) == alone
        check_whole(data)


def test_of_two_builds_in_one_folder_both_may_end(
    recipe: Path, alone: dict[str, str], tmp_path: Path
):
    data = tmp_path / "data"
    ended = [ends_well(build) for build in [start(recipe, data), start(recipe, data)]]
    assert any(ended)
    assert shards_of(data) == alone
    check_whole(data)


def test_of_two_builds_on_machines_with_one_bucket_it_holds_a_whole_corpus(
    recipe: Path, alone: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def machine(name: str) -> dict[str, str]:
        return {"WEBTEXT_CACHE": str(tmp_path / name)}

    with s3_server() as url:
        make_bucket(url, "corpora")
        for name, value in (KEYS | {"AWS_ENDPOINT_URL": url}).items():
            monkeypatch.setenv(name, value)
        place = "s3://corpora/a"
        both = [start(recipe, place, machine(name)) for name in ("first", "second")]
        assert [ends_well(build) for build in both] == [True, True]
        third = machine("third")
        monkeypatch.setenv("WEBTEXT_CACHE", third["WEBTEXT_CACHE"])
        data = open_data(place)
        assert shards_of(data) == alone
        for stage in ("links", "pages", "documents", "unique", "tokens", "ngrams"):
            for folder, manifest in finished(data, stage):
                fetch(folder, [shard.name for shard in manifest.shards])  # whole, or refused
        # And there is nothing left to do for anybody.
        exit_code, said = start(recipe, place, third).end()
        assert exit_code == 0, said
        assert "nothing new" in said
