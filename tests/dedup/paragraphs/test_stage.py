"""Paragraphs that many documents share stay in the first of them, and nowhere else."""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from corpus.manifest import Manifest
from corpus.runtime import Runtime
from corpus.shards import read_rows
from corpus.stage import data_shards
from dedup.paragraphs.stage import ONLY_BOILERPLATE, ParagraphsConfig, run
from tests.dedup.conftest import document, write_documents
from tests.dedup.reference import normalised

NOTICE = "Subscribe to our letter and never miss a story from the harbour again."
LICENCE = "This work may be copied by anyone who keeps this sentence where it stands."
HEADING = "Read more here"
LIMIT = 3
CONFIG = ParagraphsConfig(max_documents=LIMIT)

_RUN = """
import os, signal, sys
from pathlib import Path
from corpus.runtime import Runtime, SilentProgress
from dedup.paragraphs.stage import ParagraphsConfig, run
class Deadly(SilentProgress):
    calls = 0
    def advance(self, count=1, note=""):
        self.calls += 1
        if self.calls == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)
config = ParagraphsConfig(max_documents=3)
run(config, {"documents": Path(sys.argv[1])}, Path(sys.argv[2]), Runtime(progress=Deadly()))
"""


def own(number: int) -> str:
    return f"Document number {number} says something that no other document of these has to say."


@pytest.fixture
def rows(new_document) -> list[dict]:
    """Twelve documents: six with the notice, the oldest of them last; three with the licence."""
    texts = [own(n) for n in range(12)]
    for n in range(6):
        texts[n] = f"{own(n)}\n{NOTICE.upper() if n % 2 else NOTICE}\n{HEADING}"
    for n in range(6, 9):
        texts[n] = f"{LICENCE}\n{own(n)}"
    documents = [new_document(f"http://a.com/{n:02}", text, 20 - n) for n, text in enumerate(texts)]
    return [*documents, new_document("http://b.com/", NOTICE, 30)]


def trim(documents: Path, output: Path, workers: int = 1, config=CONFIG) -> Manifest:
    return run(config, {"documents": documents}, output, Runtime(workers=workers))


def texts_in(folder: Path) -> dict[str, str]:
    return {row["url"]: row["text"] for s in data_shards(folder) for row in read_rows(s)}


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.glob("*.arrow")}


def test_the_first_in_line_keeps_the_paragraph_and_the_others_lose_it(
    rows, make_documents, tmp_path
):
    manifest = trim(make_documents("documents", [rows[:5], rows[5:]]), tmp_path / "trimmed")
    texts = texts_in(tmp_path / "trimmed")
    before = {row["url"]: row["text"] for row in rows}
    oldest = "http://a.com/05"
    assert texts[oldest] == before[oldest]
    for n in range(5):
        assert texts[f"http://a.com/{n:02}"] == f"{own(n)}\n{HEADING}"
    for n in range(6, 12):
        assert texts[f"http://a.com/{n:02}"] == before[f"http://a.com/{n:02}"]
    assert manifest.counts.rejects == {ONLY_BOILERPLATE: 1}
    assert manifest.figures["num_boilerplate_paragraphs"] == 1
    assert manifest.figures["num_removed_paragraphs"] == 6
    removed = [
        row for p in sorted((tmp_path / "trimmed").glob("lineage-*")) for row in read_rows(p)
    ]
    assert {row["url"]: row["paragraphs"] for row in removed}["http://b.com/"] == [NOTICE]


def test_neither_order_nor_shards_nor_workers_play_a_part(rows, make_documents, tmp_path):
    expected = None
    for seed in range(3):
        shuffled = random.Random(seed).sample(rows, len(rows))
        cut = 3 * seed
        documents = make_documents(f"documents-{seed}", [shuffled[:cut], shuffled[cut:]])
        trim(documents, tmp_path / f"trimmed-{seed}", workers=2 if seed == 1 else 1)
        texts = texts_in(tmp_path / f"trimmed-{seed}")
        expected = expected or texts
        assert texts == expected


@settings(max_examples=12)
@given(st.lists(st.lists(st.integers(0, 5), max_size=4), min_size=1, max_size=9), st.integers(1, 4))
def test_it_does_what_counting_in_python_says(tmp_path_factory, documents, limit):
    lines = [f"line number {n} has as many as eight words or more" for n in range(6)]
    folder = tmp_path_factory.mktemp("counted")
    rows = [
        document(f"http://a.com/{i}", "\n".join([own(i), *(lines[n] for n in numbers)]), i)
        for i, numbers in enumerate(documents)
    ]
    write_documents(folder / "documents", [rows])
    trim(folder / "documents", folder / "out", config=ParagraphsConfig(max_documents=limit))
    counts = Counter(line for row in rows for line in set(normalise_lines(row["text"])))
    kept: set[str] = set()
    for row in rows:  # the oldest first
        stays = []
        mine = set(normalise_lines(row["text"]))
        for line, words in zip(row["text"].split("\n"), normalise_lines(row["text"]), strict=True):
            if counts[words] <= limit or words not in kept:
                stays.append(line)
        kept |= {words for words in mine if counts[words] > limit}
        assert texts_in(folder / "out")[row["url"]] == "\n".join(stays)


def normalise_lines(text: str) -> list[str]:
    return [normalised(line) for line in text.split("\n")]


@pytest.mark.slow
@pytest.mark.parametrize("killed_at", [2, 4])
def test_a_killed_run_goes_on_to_the_same_bytes(rows, make_documents, tmp_path, killed_at):
    documents = make_documents("documents", [rows[:4], rows[4:9], rows[9:]])
    trim(documents, tmp_path / "undisturbed")
    command = [sys.executable, "-c", _RUN, str(documents), str(tmp_path / "killed")]
    ended = subprocess.run([*command, str(killed_at)], env=dict(os.environ), check=False)
    assert ended.returncode == -signal.SIGKILL
    trim(documents, tmp_path / "killed", workers=2)
    assert contents(tmp_path / "killed") == contents(tmp_path / "undisturbed")


def test_no_documents_have_no_boilerplate(make_documents, tmp_path):
    assert trim(make_documents("documents", [[]]), tmp_path / "trimmed").counts.out == 0
