"""Stage "documents": archived pages become documents: the article's text, and nothing around it.

Pages, their lineage and their links are all sorted by URL and joined as they are read; worker
processes read the pages themselves from the archive (`isolated`). A unit of work, and what a kill
costs, is `pages_per_shard` pages of one partition. Units are numbered in the order of partitions
and URLs: what a shard holds does not depend on who made it, or when.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import count, islice, tee
from pathlib import Path

from pydantic import Field

from corpus.errors import WebtextError
from corpus.manifest import Manifest
from corpus.runtime import Runtime
from corpus.schema import DOCUMENT_LINEAGE, DOCUMENTS, REJECTS
from corpus.shards import open_shard, read_rows, shard_name, write_shard
from corpus.stage import Inputs, StageWriter, data_shards, reject
from crawler.documents.isolated import extract_isolated
from crawler.documents.isolated_failures import Failure
from crawler.documents.isolated_worker import Limits
from crawler.documents.read_page import (
    ArchivedPage,
    PageConfig,
    ReadPage,
    load_libraries,
    read_page,
)
from crawler.links.urls import host_of, registrable_domain

LIBRARIES = ("webtext", "trafilatura", "lxml", "w3lib", "charset-normalizer", "py3langid")


Joined = tuple[dict, dict, dict]
"""A page with its lineage and its link."""
Done = tuple[Joined, ReadPage | Failure]


class ExtractConfig(PageConfig):
    """How pages become documents."""

    pages_per_shard: int = Field(default=1000, ge=1)
    """Pages per unit of work: about 20 s of one core, and what a kill costs at most."""


@dataclass(frozen=True)
class _Unit:
    index: int
    first_url: str
    num_pages: int
    config: ExtractConfig
    links: Path | None
    pages: Path
    output: Path

    def shard(self, kind: str) -> Path:
        return self.output / shard_name(kind, self.index)


def run(config: ExtractConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Extract every page and write `documents-XXXXX.arrow`, ordered by partition and URL.

    Args:
        config: How pages become documents.
        inputs: The finished stage `pages`, and `links` unless the pages are from archives that
            somebody else made: nothing is known then of their scores.
        output: The stage's folder.
        runtime: Workers and progress.

    Raises:
        WebtextError: an archive is gone, or the pages do not come from these links.
    """
    writer = StageWriter("documents", config, inputs, output)
    units = list(_units(config, inputs, output))
    todo = [unit for unit in units if not unit.shard("documents").is_file()]
    num_pages = sum(unit.num_pages for unit in units)
    runtime.progress.start(num_pages, "pages")
    runtime.progress.advance(num_pages - sum(unit.num_pages for unit in todo))
    if runtime.runner.is_remote:
        for num_done in runtime.runner.map(_extract_elsewhere, todo, runtime.workers):
            runtime.progress.advance(num_done)
    elif todo:
        _extract(todo, config, runtime)
    taken = sum(row["lines_taken"] for unit in units for row in _lineage_rows(unit))
    return writer.finish(num_pages, libraries=LIBRARIES, figures={"num_lines_taken": taken})


def _extract(todo: list[_Unit], config: ExtractConfig, runtime: Runtime) -> None:
    """Extract units in worker processes, a page at a time, and write each when it is whole."""
    rows, ahead = tee(row for unit in todo for row in _joined(unit))
    folder = todo[0].pages.parent
    pages = (_archived(folder, page, fetched) for page, fetched, _ in ahead)
    limits = Limits(timeout_s=config.timeout_s, memory_bytes=config.memory_bytes)
    function = partial(read_page, config=config)
    with closing(
        extract_isolated(
            pages, function, workers=runtime.workers, limits=limits, prepare=load_libraries
        )
    ) as results:
        done = zip(rows, results, strict=False)
        for unit in todo:
            _write_unit(unit, islice(done, unit.num_pages), runtime)


def _extract_elsewhere(unit: _Unit) -> int:
    """One unit in a worker of a cluster, which has its pages isolated as here."""
    _extract([unit], unit.config, Runtime(workers=1))
    return unit.num_pages


def document_id(url: str) -> str:
    """The id of the document at a canonical URL: 16 hex digits, the same in every corpus."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def _units(config: ExtractConfig, inputs: Inputs, output: Path) -> Iterator[_Unit]:
    """All units of work, numbered through the partitions."""
    numbers = count()
    for pages in data_shards(inputs["pages"], "pages-"):
        name = pages.name.replace("pages-", "links-")
        links = inputs["links"] / name if "links" in inputs else None
        urls = _urls(pages)
        while part := list(islice(urls, config.pages_per_shard)):
            yield _Unit(next(numbers), part[0], len(part), config, links, pages, output)


def _urls(pages: Path) -> Iterator[str]:
    reader = open_shard(pages)
    for index in range(reader.num_record_batches):
        yield from reader.get_batch(index).column("url").to_pylist()


def _archived(folder: Path, page: dict, fetched: dict) -> ArchivedPage:
    return ArchivedPage(
        folder / fetched["warc"],
        fetched["offset"],
        page["content_type"],
        page["url"],
        page["final_url"],
    )


def _write_unit(
    unit: _Unit,
    done: Iterable[tuple[tuple[dict, dict, dict], ReadPage | Failure]],
    runtime: Runtime,
) -> None:
    """Write one unit's rejects, lineage and documents, in this order, when all are there."""
    documents, lineage, rejects = [], [], []
    extractor = f"trafilatura {version('trafilatura')}"
    for (page, fetched, link), found in done:
        runtime.progress.advance()
        if isinstance(found, Failure):
            rejects.append(reject(page["url"], found.reason, found.detail))
            continue
        documents.append(_document(page, link, found))
        lineage.append({**fetched, "extractor": extractor, "lines_taken": found.lines_taken})
    write_shard(unit.shard("rejects"), rejects, REJECTS)
    write_shard(unit.shard("lineage"), lineage, DOCUMENT_LINEAGE)
    write_shard(unit.shard("documents"), documents, DOCUMENTS)


def _lineage_rows(unit: _Unit) -> Iterator[dict]:
    return read_rows(unit.shard("lineage"), ["lines_taken"])


def _document(page: dict, link: dict, found: ReadPage) -> dict:
    return {
        "id": document_id(page["url"]),
        "final_url": page["final_url"],
        **{name: link[name] for name in ("url", "domain", "score", "first_seen", "subreddits")},
        "title": found.title,
        "language": found.language,
        "license": found.license,
        "text": found.text,
    }


def _joined(unit: _Unit) -> Iterator[Joined]:
    """Each page of a unit with its lineage and its link: one step through three sorted shards."""
    lineage = unit.pages.with_name(unit.pages.name.replace("pages-", "lineage-"))
    fetches = _rows_from(lineage, unit.first_url)
    links = None if unit.links is None else _rows_from(unit.links, unit.first_url)
    for page in islice(_rows_from(unit.pages, unit.first_url), unit.num_pages):
        url = page["url"]
        link = _unlinked(url) if links is None else _find(url, links, unit.links)
        yield page, _find(url, fetches, lineage), link


def _unlinked(url: str) -> dict:
    """What a link would say of a page that none led to."""
    unknown = {"score": None, "first_seen": None, "subreddits": []}
    return {"url": url, "domain": registrable_domain(host_of(url)), **unknown}


def _find(url: str, rows: Iterator[dict], shard: Path | None) -> dict:
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
