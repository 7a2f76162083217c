"""A page's bytes become an article: its title and its main text, or the reason why there is none.

trafilatura does the work; around it stand the caps that no page passes and two corrections of its
precision mode, whose worth docs/extraction.md measures.
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

import trafilatura
from lxml.etree import ErrorTypes, SubElement
from lxml.html import HtmlElement
from pydantic import Field
from trafilatura.settings import CUT_EMPTY_ELEMS
from trafilatura.utils import HTML_PARSER, load_html

from corpus.settings import Section
from crawler.documents.decoding import decode, is_binary, is_garbled
from crawler.documents.draft import declared_urls
from crawler.documents.page_license import page_license

_MAX_TITLE_CHARS = 1_000
# Everything that prints nothing, but for tab and line feed: C0, DEL and C1 controls, the byte order
# mark, lone surrogates and non-characters, and the soft hyphen, which splits words for a tokenizer.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\ud800-\udfff\ufeff\ufffe\uffff]")
_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")

# trafilatura's time is quadratic in the inline elements of one parent: 6,000 take 1.4 s, 28,000
# half a minute. So formatting is dropped where there is much of it; no article has as many links.
_FORMATTING = (
    *("abbr", "b", "bdi", "bdo", "big", "br", "cite", "code", "del", "dfn", "em", "font", "i"),
    *("ins", "kbd", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup"),
    *("tt", "u", "var", "wbr"),
)
_LINE_SEPARATOR = "\u2028"
_MANY_SIBLINGS = 500
_MAX_SIBLINGS = 5_000

# Precision mode finds little on pages that it does not understand: then the text of recall mode
# counts, if it is much more. Balanced mode has the same rule built in (trafilatura's escalation).
_LITTLE_TEXT_CHARS = 1_000
_MUCH_MORE = 2


class ArticleConfig(Section):
    """What of a page is its article."""

    favor_precision: bool = True
    """Rather lose a paragraph than take a menu along (trafilatura)."""
    fast: bool = True
    """Skip trafilatura's second opinions: a third less time, and no F1 lost on the gold pages."""
    min_chars: int = Field(default=200, ge=0)
    """Shortest text to keep, in characters: below it are captions, notices and empty shells."""
    max_chars: int = Field(default=1_000_000, ge=1)
    """Longest text to keep, in characters: twice the 100,000 words of Gopher's rule; beyond are
    dumps of data."""
    max_page_bytes: int = Field(default=2 * 1024 * 1024, ge=1)
    """Largest page to parse: the parser takes quadratic time on some, and no article is longer."""
    max_tags: int = Field(default=100_000, ge=1)
    """Most tags to parse, counted as `<`: 30 times as many as the largest gold page has."""


@dataclass(frozen=True, slots=True)
class Article:
    """What a page says."""

    title: str
    text: str
    declared_urls: tuple[str, ...] = ()
    """Addresses that the page gives as its own."""
    license: str | None = None
    """What the page states for itself: see `page_license`."""


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


def read_article(body: bytes, content_type: str, config: ArticleConfig) -> Article:
    """The title and text of a page.

    Args:
        body: The page, without Content-Encoding.
        content_type: Its Content-Type header; `text/plain` is taken as it is, all else is HTML.
        config: What of it is the article.

    Raises:
        UnfitPageError: Before parsing `too_large`, `too_many_elements`, `binary` or `bad_encoding`,
            while parsing `too_deep`, `too_many_elements` or `extract_error`, of the text `no_text`,
            `bad_encoding`, `too_short` or `too_long`.
        MemoryError: No page's reason but its worker's.
    """
    _check_size(body, config)
    markup = decode(body, content_type)
    if is_garbled(markup):
        raise UnfitPageError("bad_encoding", "no encoding fits its bytes")
    if content_type.lower().startswith("text/plain"):
        article = Article("", normalise(markup))
    else:
        article = _parse(markup, config)
    _check_text(article, config)
    return article


def normalise(text: str) -> str:
    """NFC, line ends as one line feed, nothing that does not print, no white space at the ends."""
    return unicodedata.normalize("NFC", _CONTROLS.sub("", _LINE_ENDS.sub("\n", text))).strip()


def _check_size(body: bytes, config: ArticleConfig) -> None:
    if len(body) > config.max_page_bytes:
        raise UnfitPageError("too_large", f"{len(body)} bytes")
    if (num_tags := body.count(b"<")) > config.max_tags:
        raise UnfitPageError("too_many_elements", f"{num_tags} tags")
    if is_binary(body):
        raise UnfitPageError("binary", f"begins with {body[:8]!r}")


def _check_text(article: Article, config: ArticleConfig) -> None:
    if not article.text:
        raise UnfitPageError("no_text", article.title)
    if is_garbled(article.text):
        raise UnfitPageError("bad_encoding", article.title)
    if len(article.text) < config.min_chars:
        raise UnfitPageError("too_short", f"{len(article.text)} characters")
    if len(article.text) > config.max_chars:
        raise UnfitPageError("too_long", f"{len(article.text)} characters")


def _parse(markup: str, config: ArticleConfig) -> Article:
    try:
        tree = _tree(markup)  # one parse for title and text: a seventh of the whole time
        # Before trafilatura takes the tree apart.
        title, declared = _title(tree), declared_urls(tree)
        license_ = page_license(tree, markup)
        return Article(title, normalise(_main_text(tree, config)), declared, license_)
    except (UnfitPageError, MemoryError):
        raise
    except Exception as exc:  # whatever a hostile page provokes costs that page only
        detail = normalise(f"{type(exc).__name__}: {exc}")
        raise UnfitPageError("extract_error", detail[:200]) from exc


def _tree(markup: str) -> HtmlElement:
    tree = load_html(markup)
    # The parser gives up silently at 256 levels: what follows would be missing.
    for entry in HTML_PARSER.error_log:
        if entry.type == ErrorTypes.ERR_RESOURCE_LIMIT:
            raise UnfitPageError("too_deep", entry.message)
    if tree is None:
        raise UnfitPageError("no_text", "no HTML")
    _flatten_formatting(tree)
    _drop_empty_elements(tree)
    return tree


def _drop_empty_elements(tree: HtmlElement) -> None:
    # trafilatura's precision mode drops them with the text behind them: `<a name=x></a>a sentence`.
    empty = [e for e in tree.iter(*CUT_EMPTY_ELEMS) if e.tail and e.text is None and len(e) == 0]
    for element in empty:
        element.drop_tree()


def _flatten_formatting(tree: HtmlElement) -> None:
    siblings = Counter(element.getparent() for element in tree.iter("a", *_FORMATTING))
    for parent, num_inline in siblings.items():
        if num_inline <= _MANY_SIBLINGS or parent is None:
            continue
        if all(element.tag in _FORMATTING for element in parent.iterdescendants()):
            _keep_lines_only(parent)
        elif num_inline > _MAX_SIBLINGS:
            raise UnfitPageError("too_many_elements", f"{num_inline} inline elements in one")


def _keep_lines_only(parent: HtmlElement) -> None:
    for line_break in parent.iter("br"):
        line_break.tail = f"{_LINE_SEPARATOR}{line_break.tail or ''}"
    first, *others = parent.text_content().split(_LINE_SEPARATOR)
    parent.clear(keep_tail=True)
    parent.text = first
    for line in others:
        SubElement(parent, "br").tail = line


def _title(tree: HtmlElement) -> str:
    title = tree.find(".//title")
    words = "" if title is None else title.text_content()
    return normalise(" ".join(words.split())[:_MAX_TITLE_CHARS])


def _main_text(tree: HtmlElement, config: ArticleConfig) -> str:
    text = _extract(tree, fast=config.fast, favor_precision=config.favor_precision)
    if config.favor_precision and len(text) < _LITTLE_TEXT_CHARS:
        more = _extract(tree, fast=True, favor_recall=True)
        if len(more) > _MUCH_MORE * len(text):
            return more
    return text


def _extract(
    tree: HtmlElement, *, fast: bool, favor_precision: bool = False, favor_recall: bool = False
) -> str:
    text = trafilatura.extract(
        tree,
        fast=fast,
        favor_precision=favor_precision,
        favor_recall=favor_recall,
        include_comments=False,
        deduplicate=False,  # its cache outlives the page: the result would depend on the order
    )
    return text or ""
