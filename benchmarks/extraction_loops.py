"""What the extraction benchmark times: bare loops over pages, and the function of its workers."""

import os
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path

from warcio.archiveiterator import ArchiveIterator

from crawler.archive.warc import ResponseReader
from crawler.documents.article import ArticleConfig, UnfitPageError, read_article

CONTENT_TYPE = "text/html"
NUM_WARM_UP = 8
"""Pages before the clock starts: a first page compiles expressions and fills caches."""


Loop = tuple[float, float, list[str]]
"""What a loop took, seconds on the clock and of CPU, and the texts."""


def extract_archive(path: Path) -> Loop:
    """The text of each page of an archive, as a script would do it: warcio, one plain loop."""
    return _timed(lambda: _bodies(path))


def extract_bodies(path: Path) -> Loop:
    """The same with all pages in memory before the clock starts."""
    bodies = list(_bodies(path))
    return _timed(lambda: iter(bodies))


def _timed(pages: Callable[[], Iterator[bytes]]) -> Loop:
    config = ArticleConfig()
    for body in islice(pages(), NUM_WARM_UP):
        _text(body, config)
    started, started_cpu = time.perf_counter(), time.process_time()
    texts = [_text(body, config) for body in pages()]
    return time.perf_counter() - started, time.process_time() - started_cpu, texts


def _bodies(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for record in ArchiveIterator(file):  # pyright: ignore[reportGeneralTypeIssues]
            if record.rec_type == "response":
                yield record.content_stream().read()


def extract_page(place: tuple[Path, int]) -> tuple[str, int, float, float]:
    """The text of the page whose response record begins at a byte of an archive file.

    With it: the process that read it, and what CPU seconds it had used before and after.
    """
    path, offset = place
    began_cpu = time.process_time()
    text = _text(_reader(path).read(offset).body, ArticleConfig())
    return text, os.getpid(), began_cpu, time.process_time()


@lru_cache(maxsize=1)
def _reader(path: Path) -> ResponseReader:
    return ResponseReader(path)


def _text(body: bytes, config: ArticleConfig) -> str:
    try:
        return read_article(body, CONTENT_TYPE, config).text
    except UnfitPageError as exc:
        return f"{exc.reason}: {exc.detail}"
