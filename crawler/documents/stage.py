"""Stage "documents": archived pages become documents: the article's text, and nothing around it.

A unit of work is `pages_per_shard` pages of one partition. It is known by the URL it begins with,
so a worker finds its own part of the pages, their lineage and their links, all sorted by URL, and
joins them as it goes. Units are numbered in the order of partitions and URLs: what a shard holds
does not depend on who made it, or when.
"""

import hashlib
import logging
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

import trafilatura
from lxml.html import HtmlElement
from pydantic import Field
from trafilatura.utils import detect_encoding, load_html
from w3lib.encoding import html_to_unicode

from corpus.errors import WebtextError
from corpus.manifest import Manifest
from corpus.parallel import map_in_processes
from corpus.runtime import Runtime
from corpus.schema import DOCUMENTS, LINEAGE, REJECTS
from corpus.settings import Section
from corpus.shards import open_shard, shard_name, write_shard
from corpus.stage import Inputs, StageWriter, data_shards, reject
from crawler.archive.warc import ResponseReader

_MAX_TITLE_CHARS = 1_000
# Everything that prints nothing, but for tab and line feed: C0, DEL and C1 controls, the byte order
# mark, and the soft hyphen, which splits words for a tokenizer.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\ufeff]")
_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")

# A wall says little and says it in these words; longer texts may well be about robots.
_WALL_MAX_CHARS = 1_500
_WALL = re.compile(
    r"checking (?:if the site connection is secure|your browser)"
    r"|(?:verify|confirm|make sure|sure) (?:that )?you(?: a|')re (?:human|not a (?:ro)?bot)"
    r"|are you a (?:human|robot)\b"
    r"|enable (?:javascript|cookies)(?: and (?:javascript|cookies))? (?:to continue|and reload)"
    r"|attention required! \| cloudflare|ddos protection by|performing security verification"
    r"|pardon our interruption|complete the (?:security check|captcha)"
    r"|unusual (?:traffic|activity) from your (?:computer )?network"
    r"|access to this page has been denied",
    re.IGNORECASE,
)

LIBRARIES = ("webtext", "trafilatura", "lxml", "w3lib")


class ExtractConfig(Section):
    """How pages become documents."""

    favor_precision: bool = True
    """Rather lose a paragraph than take a menu along (trafilatura)."""
    fast: bool = False
    """Skip trafilatura's second opinions: a third less time, a point less F1 on the gold pages."""
    min_chars: int = Field(default=200, ge=0)
    """Shortest text to keep, in characters: below it are captions, notices and empty shells."""
    max_page_bytes: int = Field(default=2 * 1024 * 1024, ge=1)
    """Largest page to parse: the parser takes quadratic time on some, and no article is longer."""
    pages_per_shard: int = Field(default=1000, ge=1)
    """Pages per unit of work: about 30 s of one core, and what a kill costs at most."""


@dataclass(frozen=True, slots=True)
class Article:
    """What a page says."""

    title: str
    text: str


class UnfitPageError(ValueError):
    """A page that gives no document.

    Args:
        reason: The reject reason to count it under.
        detail: What was found, for a person.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class _Unit:
    index: int
    first_url: str
    num_pages: int
    config: ExtractConfig
    links: Path
    pages: Path
    output: Path

    def shard(self, kind: str) -> Path:
        return self.output / shard_name(kind, self.index)


def run(config: ExtractConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Extract every page and write `documents-XXXXX.arrow`, ordered by partition and URL.

    Args:
        config: How pages become documents.
        inputs: The finished stages `links` and `pages`.
        output: The stage's folder.
        runtime: Workers and progress.

    Raises:
        WebtextError: the archive is damaged, or the pages do not come from these links.
    """
    writer = StageWriter("documents", config, inputs, output)
    units = list(_units(config, inputs, output))
    todo = [unit for unit in units if not unit.shard("documents").is_file()]
    num_pages = sum(unit.num_pages for unit in units)
    runtime.progress.start(num_pages, "pages")
    runtime.progress.advance(num_pages - sum(unit.num_pages for unit in todo))
    if todo:  # also for one worker: the pages are hostile, this process is not to be their victim
        for num_done in map_in_processes(_extract_unit, todo, runtime.workers):
            runtime.progress.advance(num_done)
    return writer.finish(num_pages, libraries=LIBRARIES)


def document_id(url: str) -> str:
    """The id of the document at a canonical URL: 16 hex digits, the same in every corpus."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def read_article(body: bytes, content_type: str, config: ExtractConfig) -> Article:
    """The title and text of a page.

    Args:
        body: The page, without Content-Encoding.
        content_type: Its Content-Type header; `text/plain` is taken as it is, all else is HTML.
        config: How pages become documents.

    Raises:
        UnfitPageError: `too_large`, `no_text`, `too_short`, `bot_wall` or `extract_error`.
    """
    if len(body) > config.max_page_bytes:
        raise UnfitPageError("too_large", f"{len(body)} bytes")
    markup = _decode(body, content_type)
    if content_type.lower().startswith("text/plain"):
        article = Article("", normalise(markup))
    else:
        article = _parse(markup, config)
    if not article.text:
        raise UnfitPageError("no_text", article.title)
    if len(article.text) < config.min_chars:
        raise UnfitPageError("too_short", f"{len(article.text)} characters")
    return article


def normalise(text: str) -> str:
    """NFC, line ends as one line feed, no control characters, no white space at the ends."""
    return unicodedata.normalize("NFC", _CONTROLS.sub("", _LINE_ENDS.sub("\n", text))).strip()


def _parse(markup: str, config: ExtractConfig) -> Article:
    try:
        tree = load_html(markup)
        if tree is None:
            raise UnfitPageError("no_text", "no HTML")
        title = _title(tree)
        # One parse for both: it is a fifth of the whole time.
        text = trafilatura.extract(
            tree,
            include_comments=False,
            favor_precision=config.favor_precision,
            fast=config.fast,
            deduplicate=False,  # its cache outlives the page: the result would depend on the order
        )
    except UnfitPageError:
        raise
    except Exception as exc:  # whatever a hostile page provokes costs that page only
        raise UnfitPageError("extract_error", f"{type(exc).__name__}: {exc}"[:200]) from exc
    text = normalise(text or "")
    if len(text) <= _WALL_MAX_CHARS and (wall := _WALL.search(_all_words(title, text, markup))):
        raise UnfitPageError("bot_wall", wall[0])
    return Article(title, text)


def _all_words(title: str, text: str, markup: str) -> str:
    # What a wall says may stand outside of what trafilatura calls the text. A page with many more
    # words is no wall but an article whose text was not found.
    tree = load_html(markup)
    visible = (
        () if tree is None else tree.xpath("//body//text()[not(parent::script|parent::style)]")
    )
    words = " ".join(" ".join(visible).split())
    return f"{title} {text} {words if len(words) <= 2 * _WALL_MAX_CHARS else ''}"


def _title(tree: HtmlElement) -> str:
    title = tree.find(".//title")
    words = "" if title is None else title.text_content()
    return normalise(" ".join(words.split()))[:_MAX_TITLE_CHARS]


def _decode(body: bytes, content_type: str) -> str:
    # What is valid UTF-8 is UTF-8, whatever was declared: servers that call it latin-1 are common.
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return html_to_unicode(content_type or None, body, auto_detect_fun=_guess_encoding)[1]


def _guess_encoding(body: bytes) -> str | None:
    return next(iter(detect_encoding(body)), None)


def _units(config: ExtractConfig, inputs: Inputs, output: Path) -> Iterator[_Unit]:
    """All units of work, numbered through the partitions."""
    numbers = count()
    for pages in data_shards(inputs["pages"], "pages-"):
        links = inputs["links"] / pages.name.replace("pages-", "links-")
        urls = _urls(pages)
        while part := list(islice(urls, config.pages_per_shard)):
            yield _Unit(next(numbers), part[0], len(part), config, links, pages, output)


def _urls(pages: Path) -> Iterator[str]:
    reader = open_shard(pages)
    for index in range(reader.num_record_batches):
        yield from reader.get_batch(index).column("url").to_pylist()


def _extract_unit(unit: _Unit) -> int:
    """Make one unit's rejects, lineage and documents, in this order; return its pages."""
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # it reports each odd page
    documents, lineage, rejects = [], [], []
    with ExitStack() as stack:
        readers: dict[str, ResponseReader] = {}
        for page, fetched, link in _joined(unit):
            if fetched["warc"] not in readers:
                path = unit.pages.parent / fetched["warc"]
                readers[fetched["warc"]] = stack.enter_context(ResponseReader(path))
            body = readers[fetched["warc"]].read(fetched["offset"]).body
            try:
                article = read_article(body, page["content_type"], unit.config)
            except UnfitPageError as exc:
                rejects.append(reject(page["url"], exc.reason, exc.detail))
                continue
            documents.append(_document(link, article))
            lineage.append(fetched)
    write_shard(unit.shard("rejects"), rejects, REJECTS)
    write_shard(unit.shard("lineage"), lineage, LINEAGE)
    write_shard(unit.shard("documents"), documents, DOCUMENTS)
    return unit.num_pages


def _document(link: dict, article: Article) -> dict:
    kept = {name: link[name] for name in ("url", "domain", "score", "first_seen")}
    return {"id": document_id(link["url"]), **kept, "title": article.title, "text": article.text}


def _joined(unit: _Unit) -> Iterator[tuple[dict, dict, dict]]:
    """Each page of a unit with its lineage and its link: one step through three sorted shards."""
    lineage = unit.pages.with_name(unit.pages.name.replace("pages-", "lineage-"))
    fetches, links = _rows_from(lineage, unit.first_url), _rows_from(unit.links, unit.first_url)
    for page in islice(_rows_from(unit.pages, unit.first_url), unit.num_pages):
        yield page, _find(page["url"], fetches, lineage), _find(page["url"], links, unit.links)


def _find(url: str, rows: Iterator[dict], shard: Path) -> dict:
    for row in rows:
        if row["url"] == url:
            return row
        if row["url"] > url:
            break
    raise WebtextError(
        f"{shard} has no row for the page {url}",
        hint="These stages do not belong together: run the pipeline again from its links.",
    )


def _rows_from(path: Path, url: str) -> Iterator[dict]:
    """The rows of a shard sorted by URL, from `url` on, a record batch in memory at a time."""
    reader = open_shard(path)

    def first_url(index: int) -> str:
        return reader.get_batch(index).column("url")[0].as_py()

    start = bisect_right(range(reader.num_record_batches), url, key=first_url) - 1
    for index in range(max(start, 0), reader.num_record_batches):
        yield from (row for row in reader.get_batch(index).to_pylist() if row["url"] >= url)
