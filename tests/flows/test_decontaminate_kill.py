"""kill -9 while a corpus is decontaminated: the same command again ends with the same bytes."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from corpus.shards import read_rows
from corpus.stage import data_shards
from flows.corpora.catalog import finished
from flows.corpora.summary import documents_of
from tests.crawler.documents.small_pages import page, write_archive
from tests.flows.conftest import Webtext
from tests.flows.test_contamination import NUM_PAGES, SETTINGS, article

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

STAGES = ("matches", "decontaminated", "tokens", "ngrams")
SHARDS = ("--set", "extract.pages_per_shard=4")


@pytest.fixture
def corpus(webtext: Webtext, tmp_path: Path) -> str:
    """The name of a corpus of 15 shards, of which four documents hold what is in quiz.txt."""
    bodies = {f"http://a{n}.com/": page(*article(n)) for n in range(NUM_PAGES)}
    write_archive(tmp_path / "pages.warc.gz", sorted(bodies), bodies, frozenset())
    source = ("--set", 'archives.files=["pages.warc.gz"]')
    built = webtext("build", "webtext", *source, *SHARDS, *SETTINGS)
    assert built.exit_code == 0, built.err
    [(tokens, _)] = finished(tmp_path / "data", "tokens")
    shards = data_shards(documents_of(tokens))
    assert len(shards) > 10
    rows = [next(iter(read_rows(shard))) for shard in shards[::4]]
    leaks = [" ".join(row["text"].split()[150:180]) for row in rows]
    (tmp_path / "quiz.txt").write_text("\n".join(leaks))
    return tokens.name


def decontaminate(corpus: str, data: Path) -> subprocess.Popen[str]:
    command = ["overlap", f"{data}/tokens/{corpus}", "--texts", "quiz.txt", "--data", str(data)]
    options = ["--mode", "spans", "--yes", *SETTINGS, "--workers", "2"]
    return subprocess.Popen(
        [sys.executable, "-m", "flows", *command, *options],
        cwd=data.parent,
        env={key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(corpus: str, data: Path) -> None:
    process = decontaminate(corpus, data)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said


def kill_in(stage: str, corpus: str, data: Path) -> bool:
    """kill -9 once `stage` writes a new folder; whether it was still at work in it."""
    before = set((data / stage).glob("*"))
    process = decontaminate(corpus, data)
    new: set[Path] = set()
    while process.poll() is None and not any(file for each in new for file in each.glob("[!.]*")):
        time.sleep(0.001)
        new = set((data / stage).glob("*")) - before
    process.kill()
    process.communicate()
    return any(new) and not any(folder in new for folder, _ in finished(data, stage))


def shards_of(data: Path) -> dict[str, str]:
    """What was made of the matches on, by place and content."""
    return {
        f"{stage}/{folder.name}/{shard.name}": shard.sha256
        for stage in STAGES
        for folder, manifest in finished(data, stage)
        for shard in manifest.shards
    }


def test_a_decontamination_killed_in_every_stage_ends_with_the_same_bytes(
    corpus: str, tmp_path: Path
):
    data = tmp_path / "data"
    killed = Path(shutil.copytree(data, tmp_path / "killed"))
    finish(corpus, data)
    in_the_act = [stage for stage in STAGES if kill_in(stage, corpus, killed)]
    assert len(in_the_act) >= 2, f"only {in_the_act} were caught at work: the test is too late"
    assert f"tokens/{corpus}" in str(list(killed.glob("tokens/*"))), "the old corpus stays"
    finish(corpus, killed)
    assert shards_of(killed) == shards_of(data)
    assert len(finished(killed, "decontaminated")) == 1
    assert len(finished(killed, "tokens")) == 2
