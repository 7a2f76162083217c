"""What a worker does with one archived page: read it, extract it, judge it."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from corpus.errors import WebtextError
from crawler.archive.encoding import BadEncodingError, BodyTooLargeError
from crawler.archive.warc import Response, ResponseReader
from crawler.documents.article import ArticleConfig, UnfitPageError, read_article
from crawler.documents.draft import Draft
from crawler.documents.isolated_failures import Failure
from crawler.documents.language import identify_language
from crawler.documents.quality import PRESETS, PresetName
from crawler.documents.verdict import judge

_FIRST_PAGE = b"<html><body><article><h1>A title</h1><p>And a sentence.</p></article></body></html>"


class PageConfig(ArticleConfig):
    """What of a page is its article, and which articles are documents."""

    quality: PresetName = "webtext"
    """`webtext`: the paper's, no Wikipedia and English only (sections 2.1, 3.7); `openwebtext`: at
    least 128 tokens too; `strict`: Gopher, C4 and FineWeb too."""
    timeout_s: float = Field(default=30, gt=0)
    """CPU seconds that a page may cost; four times that on the clock. The slowest page within the
    caps took 2."""
    memory_bytes: int = Field(default=1 << 30, ge=1 << 28)
    """Memory that a page may cost, its worker's own included."""


class ArchivedPage(NamedTuple):
    """Where a page lies, and what is known of it."""

    warc: Path
    offset: int
    content_type: str
    url: str
    final_url: str


class ReadPage(NamedTuple):
    """What was found in a page."""

    title: str
    text: str
    language: str
    license: str | None
    """What the page states for itself, None: nothing."""
    lines_taken: int
    """Lines of the article that a quality preset left out."""


def load_libraries() -> None:
    """Load what the first page of a process would: the language model, compiled expressions."""
    article = read_article(_FIRST_PAGE, "text/html", ArticleConfig(min_chars=0))
    identify_language(article.text)


def read_page(page: ArchivedPage, config: PageConfig) -> ReadPage | Failure:
    """The document in a page, or why there is none.

    Raises:
        WebtextError: the archive file is gone.
    """
    reader = _reader(page.warc)
    try:
        body = _response(reader, page.offset).body
        article = read_article(body, page.content_type, config)
    except UnfitPageError as exc:
        return Failure(exc.reason, exc.detail)
    language = identify_language(article.text)
    urls = (page.url, page.final_url, *article.declared_urls)
    verdict = judge(Draft(article.text, language, urls), PRESETS[config.quality])
    if verdict.reason:
        return Failure(verdict.reason, verdict.detail)
    lines_taken = verdict.lines_taken.total()
    return ReadPage(article.title, verdict.text, language.code, article.license, lines_taken)


def _response(reader: ResponseReader, offset: int) -> Response:
    try:
        return reader.read(offset)
    except (WebtextError, BadEncodingError, BodyTooLargeError) as exc:
        raise UnfitPageError("damaged_record", f"at byte {offset}") from exc


@lru_cache(maxsize=8)
def _reader(path: Path) -> ResponseReader:
    return ResponseReader(path)
