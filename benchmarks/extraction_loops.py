"""What the extraction benchmark times: a bare loop over pages, and the function of its workers."""

import os
import time
from functools import lru_cache
from pathlib import Path

from crawler.archive.warc import ResponseReader
from crawler.documents.article import ArticleConfig, UnfitPageError, read_article

CONTENT_TYPE = "text/html"
NUM_WARM_UP = 8
"""Pages before the clock starts: a first page compiles expressions and fills caches."""


def extract_all(bodies: list[bytes]) -> tuple[float, float, list[str]]:
    """Each page's text, in one plain loop, after the seconds it took: on the clock, and of CPU."""
    config = ArticleConfig()
    for body in bodies[:NUM_WARM_UP]:
        _text(body, config)
    started, started_cpu = time.perf_counter(), time.process_time()
    texts = [_text(body, config) for body in bodies]
    return time.perf_counter() - started, time.process_time() - started_cpu, texts


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
