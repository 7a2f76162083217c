"""The sites of the demo's web: articles as HTML pages, and the oddities that a crawl meets."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import jinja2
from markupsafe import Markup

from flows.demo.docs import Article, Block, Section

_HTML = "text/html; charset=utf-8"
_ROBOTS = "User-agent: *\nDisallow: /drafts/\n"
_NAVIGATION = [
    ("Home", "/"),
    ("Reference", "/reference/"),
    ("Guides", "/guides/"),
    ("Blog", "/blog/"),
]
_MAX_SIDEBAR = 40

# Shares of the articles that also exist in another form.
_MIRRORED, _OLD_VERSION, _MOVED = 0.03, 0.03, 0.02

_BOT_WALL = """<html><head><title>Just a moment...</title></head><body>
<h1>Checking your browser before accessing walled.example</h1>
<p>This process is automatic. Your browser will redirect to your requested content shortly.</p>
<p>Please enable JavaScript and cookies to continue.</p></body></html>"""
_NOT_FOUND = "<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Address:
    """One URL of the demo's web and what is answered there."""

    url: str
    title: str
    answer: dict = field(default_factory=lambda: {"status": 200, "content_type": _HTML})
    body: bytes | None = None
    is_linked: bool = True
    """Whether somebody posted it."""


def build_web(articles: list[Article], seed: int) -> Iterator[Address]:
    """Every address of the web, host by host; `articles` are sorted by package."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True
    )
    rng = random.Random(f"web {seed}")
    for number, (package, group) in enumerate(groupby(articles, attrgetter("package"))):
        # One site in five never got a certificate.
        origin = f"{'http' if number % 5 == 4 else 'https'}://{package}.example"
        yield from _site(origin, number, list(group), templates, rng)
    yield from _oddities()


def _site(
    origin: str,
    number: int,
    articles: list[Article],
    templates: jinja2.Environment,
    rng: random.Random,
) -> Iterator[Address]:
    yield _plain_text(f"{origin}/robots.txt", "robots", _ROBOTS, is_linked=False)
    paths = [_path(article) for article in articles]
    if number % 10 == 0:  # a page that its owner keeps from robots, and that is linked all the same
        paths[-1] = paths[-1].replace("/reference/", "/drafts/")
    sidebar = [(article.name, path) for article, path in zip(articles, paths, strict=True)]
    for article, path in zip(articles, paths, strict=True):
        yield _page(f"{origin}{path}", article, "page.html.j2", sidebar, templates)
        yield from _other_forms(origin, path, article, sidebar, templates, rng)
    if number % 10 == 5:
        gone = f"{origin}/reference/removed.html"
        yield Address(gone, "Removed", {"status": 404, "content_type": _HTML}, _NOT_FOUND.encode())


def _other_forms(
    origin: str,
    path: str,
    article: Article,
    sidebar: list[tuple[str, str]],
    templates: jinja2.Environment,
    rng: random.Random,
) -> Iterator[Address]:
    """Now and then the same article elsewhere: what deduplication has to find."""
    if rng.random() < _MIRRORED:
        mirror = f"http://docs-mirror.example/{article.package}{path}"
        yield _page(mirror, article, "mirror.html.j2", sidebar, templates)
    if rng.random() < _OLD_VERSION:
        older = _older(article, rng)
        yield _page(f"{origin}/1.0{path}", older, "page.html.j2", sidebar, templates)
    if rng.random() < _MOVED:
        moved = {"status": 301, "location": f"{origin}{path}"}
        yield Address(f"{origin}/moved/{article.name}", article.name, moved)


def _oddities() -> Iterator[Address]:
    yield Address("https://walled.example/article.html", "Walled article", body=_BOT_WALL.encode())
    yield Address("https://endless.example/log", "A log without an end", {"endless": True})
    archive = {"status": 200, "content_type": "application/zip"}
    yield Address(
        "https://files.example/latest", "Latest release", archive, b"PK\x05\x06" + bytes(18)
    )
    yield Address(
        "https://loop.example/a", "Loop", {"status": 302, "location": "https://loop.example/a"}
    )
    for host in ("walled", "endless", "files", "loop"):
        missing = {"status": 404, "content_type": _HTML}
        url = f"https://{host}.example/robots.txt"
        yield Address(url, "robots", missing, _NOT_FOUND.encode(), is_linked=False)


def _page(
    url: str,
    article: Article,
    template: str,
    sidebar: list[tuple[str, str]],
    templates: jinja2.Environment,
) -> Address:
    body = templates.get_template("body.html.j2").render(sections=article.sections)
    title = article.package if article.name == "README" else article.name
    page = templates.get_template(template).render(
        title=title,
        site=article.package,
        version=article.version,
        navigation=_NAVIGATION,
        sidebar=sidebar[:_MAX_SIDEBAR],
        body=Markup(body),
    )
    return Address(url, title, body=page.encode())


def _plain_text(url: str, title: str, text: str, *, is_linked: bool) -> Address:
    answer = {"status": 200, "content_type": "text/plain; charset=utf-8"}
    return Address(url, title, answer, text.encode(), is_linked)


def _path(article: Article) -> str:
    if article.name == "README":
        return "/"
    return f"/reference/{article.name.replace('.', '/')}.html"


def _older(article: Article, rng: random.Random) -> Article:
    """An earlier version: one paragraph in ten not written yet, one in ten worded otherwise."""
    sections = tuple(_older_section(section, rng) for section in article.sections)
    return replace(article, version="1.0", sections=sections)


def _older_section(section: Section, rng: random.Random) -> Section:
    blocks: list[Block] = []
    for block in section.blocks:
        choice = rng.random() if block.kind == "paragraph" else 1.0
        if choice >= 0.2:
            blocks.append(block)
        elif choice >= 0.1:
            sentences = block.lines[0].split(". ")
            reworded = ". ".join([*sentences[1:], sentences[0]])
            blocks.append(replace(block, lines=(f"In this version: {reworded}",)))
    return replace(section, blocks=tuple(blocks))
