"""The demo's web: a small, real internet made of the documentation of the packages beside us.

One host per package with its robots.txt, plus what every crawl meets: mirrors, old versions,
redirects, dead links, a bot wall, a page without an end, files that are no pages. And the
submissions that link into it, as a dump. The same packages and seed give the same web.
"""

import gc
import hashlib
import sysconfig
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import ClassVar

import orjson
from pydantic import Field

from corpus.atomic import write_bytes
from corpus.manifest import Manifest
from corpus.parallel import map_in_processes
from corpus.runtime import Runtime
from corpus.settings import Section as Settings
from corpus.stage import Inputs, StageWriter, reject
from flows.demo.docs import (
    Article,
    Source,
    count_doc_bytes,
    find_distributions,
    find_sources,
    read_article,
)
from flows.demo.dump import write_dump
from flows.demo.sites import Address, build_web

_MODULE_BYTES = range(2_000, 100_000)
_ENOUGH_DOC_BYTES = 16_000  # about what an article takes
# Parsing takes a second per 3 MB of source: a module pays for its code with documentation.
_COST_PER_BYTE = 0.15
_LOOK_AT = 80  # modules of a package whose documentation is measured before the best are taken
_BYTES_PER_WORD = 14  # of documentation that is prose


class DemoWebConfig(Settings):
    """How large the demo's web is."""

    OPERATIONAL: ClassVar[frozenset[str]] = frozenset({"packages"})

    num_pages: int = Field(default=1_200, ge=1)
    """Articles to make at most; mirrors, old versions and special pages come on top."""
    num_hosts: int = Field(default=50, ge=1)
    """Packages to take: those with the most modules."""
    min_words: int = Field(default=120, ge=0)
    """Prose that a page must have, in words, for the page to be made."""
    seed: int = 0
    """Seed of the random choices: which pages are mirrored, moved, linked, and how often."""
    packages: Path | None = None
    """The site-packages folder to read; None: the one that we run from."""

    def identity(self) -> dict[str, object]:
        """Other packages make another web."""
        found = find_distributions(self.folders())
        versions = "\n".join(f"{name} {found[name].version}" for name in found)
        digest = hashlib.sha256(versions.encode()).hexdigest()
        return {**super().identity(), "packages": digest}

    def folders(self) -> list[Path]:
        """Where the packages are."""
        ours = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        return [self.packages] if self.packages else [Path(path) for path in sorted(ours)]


def run(config: DemoWebConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Write `urls.ndjson` with `pages/`, ready to replay, and `dump/RS_demo.zst`.

    Each line of `urls.ndjson` is an address and its answer: `{"url", "status", "content_type",
    "file"}`, `{"url", "status", "location"}` or `{"url", "endless"}`.

    Args:
        config: How large the web is.
        inputs: Nothing.
        output: The stage's folder.
        runtime: Workers and progress.
    """
    writer = StageWriter("web", config, inputs, output)
    sources = find_sources(config.folders())
    chosen = choose_sources(sources, config)
    runtime.progress.start(len(chosen), "pages")
    articles, rejects = [], {_key(source): "not_chosen" for source in sources}
    for source, article in map_in_processes(_read, chosen, runtime.workers) if chosen else ():
        runtime.progress.advance()
        rejects[_key(source)] = "unreadable" if article is None else "too_little_text"
        if article is not None and article.num_words >= config.min_words:
            articles.append(article)
            del rejects[_key(source)]
    writer.write_rejects(0, (reject(key, reason) for key, reason in sorted(rejects.items())))
    articles.sort(key=lambda article: (article.package, article.name))
    addresses, num_bytes = _write_web(articles, config.seed, output)
    links = [(address.url, address.title) for address in addresses if address.is_linked]
    num_submissions = write_dump(output / "dump" / "RS_demo.zst", links, config.seed)
    figures: dict[str, int | float | str] = {
        "num_hosts": len({article.package for article in articles}),
        "num_pages": len(addresses),
        "num_words": sum(article.num_words for article in articles),
        "html_bytes": num_bytes,
        "num_submissions": num_submissions,
    }
    return writer.finish(len(sources), num_out=len(articles), figures=figures)


def choose_sources(sources: list[Source], config: DemoWebConfig) -> list[Source]:
    """The sources with the most documentation, evenly over the largest packages."""
    by_package: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        if source.file is None or source.num_bytes in _MODULE_BYTES:
            by_package[source.package].append(source)
    packages = sorted(by_package, key=lambda name: (-len(by_package[name]), name))
    ranked = [_ranked(by_package[name], config) for name in packages[: config.num_hosts]]
    rounds = chain.from_iterable(zip_longest(*ranked))
    return list(islice((source for source in rounds if source is not None), config.num_pages))


def _ranked(sources: list[Source], config: DemoWebConfig) -> Iterator[Source]:
    """Those with enough documentation: the best of the largest, then of the next largest."""
    largest = sorted(sources, key=lambda s: (s.file is not None, -s.num_bytes, s.name))
    for start in range(0, len(largest), _LOOK_AT):
        measured = [(count_doc_bytes(each), each) for each in largest[start : start + _LOOK_AT]]
        enough = [pair for pair in measured if pair[0] >= config.min_words * _BYTES_PER_WORD]
        for _, source in sorted(enough, key=lambda pair: (_cost(*pair), pair[1].name)):
            yield source


def _cost(num_doc_bytes: int, source: Source) -> float:
    return _COST_PER_BYTE * source.num_bytes - min(num_doc_bytes, _ENOUGH_DOC_BYTES)


def _read(source: Source) -> tuple[Source, Article | None]:
    gc.disable()  # in a worker; syntax trees have no cycles, looking for some takes a third
    return source, read_article(source)


def _key(source: Source) -> str:
    return f"{source.package}:{source.name}"


def _write_web(articles: list[Article], seed: int, output: Path) -> tuple[list[Address], int]:
    """Write the pages, then the list of addresses; a run that was killed just writes them again."""
    (output / "pages").mkdir(exist_ok=True)
    addresses, lines, num_bytes = [], [], 0
    for number, address in enumerate(build_web(articles, seed)):
        answer = {"url": address.url, **address.answer}
        if address.body is not None:
            answer["file"] = f"pages/{number:05d}"
            (output / answer["file"]).write_bytes(address.body)
            num_bytes += len(address.body)
        addresses.append(replace(address, body=None))
        lines.append(orjson.dumps(answer) + b"\n")
    write_bytes(output / "urls.ndjson", b"".join(lines))
    return addresses, num_bytes
