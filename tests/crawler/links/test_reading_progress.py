"""Progress of the stage "links": told while files are read, by whatever process reads them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from corpus.runtime import Runtime
from crawler.links.stage import run
from crawler.links.submissions import LinksConfig
from tests.crawler.links.small_dumps import write_dump


class Watcher:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.total: int | None = None
        self.done = 0
        self.notes: list[str] = []
        self.figures: set[str] = set()

    def start(self, total: int | None, unit: str) -> None:
        assert unit == "MB"
        self.total = total

    def advance(self, count: int = 1, note: str = "") -> None:
        self.done += count
        self.notes.append(note)

    def report(self, figures: Mapping[str, float]) -> None:
        self.figures.update(figures)


@pytest.mark.parametrize("workers", [1, 2])
def test_progress_is_told_in_megabytes_of_the_files(tmp_path: Path, workers: int):
    lines = [{"id": f"{n}", "title": "x" * 900, "url": f"http://a.com/{n}"} for n in range(2_500)]
    dumps = [write_dump(tmp_path / f"RS_{n}", *lines) for n in range(2)]
    watcher = Watcher()
    inputs = {f"dump-{n}": dump for n, dump in enumerate(dumps)}
    run(LinksConfig(), inputs, tmp_path / "links", Runtime(workers=workers, progress=watcher))
    assert watcher.total == watcher.done == 5
    assert "5,000 submissions, 5,000 links" in watcher.notes
    assert watcher.figures == {"num_submissions", "num_links"}
