"""What of the data folder's finished stages a takedown list concerns: addresses, ids, records."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

from corpus.manifest import Manifest
from corpus.parallel import map_tasks
from corpus.storage.files import local_file
from corpus.takedown.items import item_of, read_columns
from crawler.archive.withdraw import Found, Span, find_records
from crawler.documents.stage import document_id
from crawler.links.takedown import Takedown
from crawler.links.urls import NotAPageError, canonical_url
from dedup.unique.verdicts import EXACT_DUPLICATE, NEAR_DUPLICATE

Folders = Sequence[tuple[Path, Manifest]]
"""Finished stage folders with their manifests."""

_DUPLICATE: Final = frozenset({EXACT_DUPLICATE, NEAR_DUPLICATE})
# Token shards hold ids only, and what went into them is in the documents they were made of.
_WITHOUT_ADDRESSES: Final = "tokens"


@dataclass
class Concerned:
    """What goes."""

    gone: dict[str, str] = field(default_factory=dict)
    """Canonical URLs and document ids, and what says so: `takedown.txt:3`."""
    copies: dict[str, str] = field(default_factory=dict)
    """URLs that go because dedup dropped their documents as copies of one that goes, with the id of
    that one."""
    survivors: set[str] = field(default_factory=set)
    """URLs of documents that stay, although a document that goes was dropped as a copy of them."""
    spans: dict[Path, list[Span]] = field(default_factory=dict)
    """By archive file of ours: the records that go."""


def find_taken_down(folders: Folders, listed: str, path: Path, workers: int) -> Concerned:
    """Look through the addresses of all finished stages, and through their archives.

    Args:
        folders: The stages from pages to tokens.
        listed: The text of the takedown list.
        path: The list's file: its name is in the reasons.
        workers: Worker processes.

    Raises:
        WebtextError: a shard or an archive is damaged.
    """
    concerned = Concerned()
    tasks = [_Shards(shard, listed, path) for shard in _shards(folders, ("data", "rejects"))]
    for found in map_tasks(_find_addresses, tasks, workers):
        concerned.gone |= found
    if concerned.gone:
        _add_copies(folders, concerned)
        _find_survivors(folders, concerned)
    _find_in_archives(folders, concerned, listed, path, workers)
    return concerned


@dataclass(frozen=True)
class _Shards:
    """A shard for a worker process, with the list."""

    shard: Path
    listed: str
    path: Path


@lru_cache(maxsize=1)
def _takedown(listed: str, path: Path) -> Takedown:
    return Takedown.parse(listed, path)


def _shards(folders: Folders, kinds: Iterable[str]) -> Iterator[Path]:
    for folder, manifest in folders:
        if manifest.stage != _WITHOUT_ADDRESSES:
            for shard in manifest.shards:
                if shard.kind in kinds and shard.name.endswith(".arrow"):
                    yield folder / shard.name


def _find_addresses(task: _Shards) -> dict[str, str]:
    """The URLs and ids in a shard that the list takes down, by their own address or a redirect."""
    takedown = _takedown(task.listed, task.path)
    gone: dict[str, str] = {}
    for batch in read_columns(task.shard, ("id", "url", "final_url", "key")):
        for row in batch.to_pylist():
            url = row.get("url") or row["key"]
            if "://" not in url:  # a reject's id: its document is in an earlier stage
                continue
            addresses = {url, row.get("final_url") or url}
            place = next(filter(None, map(takedown.place_of_address, sorted(addresses))), None)
            if place:
                gone[url] = place
                gone[item_of(row.get("id") or document_id(url))] = place
    return gone


def _add_copies(folders: Folders, concerned: Concerned) -> None:
    """Documents that dedup dropped as copies of one that goes still have its text."""
    copies: dict[str, str] = {}
    while True:
        found = {
            copy: survivor
            for copy, survivor in _duplicates(folders)
            if survivor in concerned.gone and copy not in concerned.gone
        }
        if not found:
            break
        for copy, survivor in found.items():
            concerned.gone[copy] = f"{concerned.gone[survivor]} copy of {survivor}"
        copies |= found
    for url, item in _urls_of(folders, copies):
        concerned.gone[url] = concerned.gone[item]
        concerned.copies[url] = copies[item]


def _find_survivors(folders: Folders, concerned: Concerned) -> None:
    gone = concerned.gone
    survivors = {s: s for copy, s in _duplicates(folders) if copy in gone and s not in gone}
    concerned.survivors = {url for url, _ in _urls_of(folders, survivors)}


def _duplicates(folders: Folders) -> Iterator[tuple[str, str]]:
    """Each id that a stage dropped as a copy, and the id of the survivor."""
    for shard in _shards(folders, ("rejects",)):
        for batch in read_columns(shard, ("key", "reason", "detail")):
            for row in batch.to_pylist():
                if row["reason"] in _DUPLICATE:
                    yield row["key"], row["detail"].partition(" ")[0]


def _urls_of(folders: Folders, ids: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The URL of each document with one of these ids, and its id."""
    wanted = frozenset(ids)
    for shard in _shards(folders, ("data",)) if wanted else ():
        for batch in read_columns(shard, ("id", "url")):
            if "id" in batch.schema.names:
                for row in batch.to_pylist():
                    if (item := item_of(row["id"])) in wanted:
                        yield row["url"], item


@dataclass(frozen=True)
class _Archive:
    """An archive file for a worker process."""

    path: Path
    listed: str
    list_path: Path
    gone: dict[str, str]
    offsets: frozenset[int] = frozenset()


def _find_in_archives(
    folders: Folders, concerned: Concerned, listed: str, path: Path, workers: int
) -> None:
    archives = [
        folder / shard.name
        for folder, manifest in folders
        for shard in manifest.shards
        if shard.kind == "archive"
    ]
    urls = {item: place for item, place in concerned.gone.items() if "://" in item}
    tasks = [_Archive(archive, listed, path, urls) for archive in archives]
    elsewhere: dict[Path, set[int]] = {}
    for archive, found in map_tasks(_find_records, tasks, workers):
        _note(concerned, archive, found)
        for name, offset in found.elsewhere:
            elsewhere.setdefault(archive.with_name(name), set()).add(offset)
    again = [
        _Archive(archive, listed, path, urls, frozenset(offsets))
        for archive, offsets in elsewhere.items()
    ]
    for archive, found in map_tasks(_find_records, again, workers):
        _note(concerned, archive, found)


def _note(concerned: Concerned, archive: Path, found: Found) -> None:
    if found.spans:
        concerned.spans[archive] = found.spans
    for url, place in found.links.items():
        concerned.gone.setdefault(url, place)
        concerned.gone.setdefault(document_id(url), place)


def _find_records(task: _Archive) -> tuple[Path, Found]:
    takedown = _takedown(task.listed, task.list_path)

    def place_of(address: str) -> str | None:
        try:
            url = canonical_url(address)
        except NotAPageError:
            return None
        return task.gone.get(url) or takedown.place_of(url)

    return task.path, find_records(local_file(task.path), place_of, task.offsets)
