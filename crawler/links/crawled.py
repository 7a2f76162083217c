"""What earlier builds crawled: a Bloom filter of page keys, kept beside the corpus.

The manifests are the truth and the filter is derived from them: `refresh_crawled` adds the folders
of pages that have ended since, and makes the filter anew when it cannot be trusted. Its folder
holds `crawled.json`, which says what is in the filter, and a hidden file with the bits. Only the
former counts when a stage's inputs are hashed: the order in which pages were added leaves no trace.
"""

import hashlib
import logging
import mmap
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson
from bitarray import bitarray
from pybloom_live import BloomFilter, ScalableBloomFilter
from pydantic import ValidationError

from corpus.atomic import atomic_path, write_bytes
from corpus.errors import WebtextError
from corpus.manifest import MANIFEST, is_finished, read_manifest
from corpus.settings import Section
from corpus.shards import file_sha256, read_rows
from crawler.links.urls import NotAPageError, canonical_url, page_key

logger = logging.getLogger(__name__)

SIDECAR = "crawled.json"

SETTLED_REJECTS = frozenset(
    {
        # The answer is about the address, or about us, and would be the same next month: to ask
        # again in every build costs both sides a request and brings no page. (Without 408, 421,
        # 425 and 429, which ask to come again, and all of 5xx.)
        *("http_400", "http_401", "http_402", "http_403", "http_404", "http_405", "http_406"),
        *("http_409", "http_410", "http_411", "http_412", "http_413", "http_414", "http_415"),
        *("http_416", "http_417", "http_418", "http_422", "http_423", "http_424", "http_426"),
        *("http_428", "http_431", "http_451"),
        # An answer came, and it is no page of text.
        *("not_html", "too_large", "empty", "soft_404", "parked"),
        # Whoever runs the site does not want crawlers, or not this use; that is to be respected
        # for good, not tested monthly. (robots_denied is not here: robots.txt says so each time
        # before anything is fetched, and may be changed in our favour.)
        *("opt_out", "bot_wall", "cookie_wall", "login_wall"),
        # A loop stays a loop, and what a redirect pointed to was no web address.
        *("too_many_redirects", "bad_url"),
    }
)
"""Outcomes of a link other than a page after which it need not be visited again.

All others may pass: no connection, name, certificate or whole answer, a server's own error or a
crash of the crawl; or they depend on the recipe, such as a redirect to an excluded domain.
"""

# Changes when other keys are made of the same URLs, or other URLs are taken from the same pages.
_SCHEME = "page_key-1"
# 262,144 URLs, 1.6 MB. Each further filter has four times the room: 45 million URLs are in five,
# 560 MB. Twice would take less memory and more time: each filter hashes each key once more.
_INITIAL_CAPACITY = 1 << 18
_GROWTH = ScalableBloomFilter.LARGE_SET_GROWTH
# pybloom gives its n-th filter 0.9**n of the rate: together nine times what it was asked for.
_RATE_SHARE = (1 - 0.9) / 0.9
_CHECKSUM_BYTES = 32


class _Contents(Section):
    """What the filter holds; stored as `crawled.json`."""

    scheme: str
    error_rate: float
    manifests: tuple[str, ...]
    """sha256 of the manifest of each folder of pages, sorted."""
    num_urls: int


class CrawledUrls:
    """The canonical URLs that earlier builds crawled, in all their variants.

    Of the URLs that were not crawled, a share of at most the error rate is taken for crawled.
    """

    def __init__(self, keys: ScalableBloomFilter) -> None:
        self._keys = keys

    def __contains__(self, url: str) -> bool:
        return page_key(url) in self._keys

    def __len__(self) -> int:
        return len(self._keys)


def refresh_crawled(
    folder: Path, pages_folders: Iterable[Path], error_rate: float = 1e-9
) -> CrawledUrls:
    """Bring the filter in `folder` in line with the pages stages that have ended.

    Pages count under their own URL and the one that they were redirected to, other links only if
    their outcome is one of `SETTLED_REJECTS`. Adding takes some 25 us per URL; a filter is made
    anew if it is damaged, holds a folder that is gone, or was made in another way. It can be killed
    at any moment: the old filter stays until the new one is whole.

    Args:
        folder: Where the filter lies.
        pages_folders: Folders of stage "pages"; those that have not ended are left out.
        error_rate: Share of URLs taken for crawled that were not, whatever their number.

    Raises:
        WebtextError: a manifest or shard is damaged, or no space is left.
    """
    ended = {file_sha256(each / MANIFEST): each for each in pages_folders if is_finished(each)}
    keys, held = _trusted(folder, ended.keys(), error_rate)
    missing = sorted(ended.keys() - held)
    if missing or not held:
        for manifest in missing:
            logger.info("adding the pages of %s to %s", ended[manifest], folder)
            for url in _crawled_urls(ended[manifest]):
                keys.add(page_key(url))
        contents = _Contents(
            scheme=_SCHEME,
            error_rate=error_rate,
            manifests=tuple(sorted(ended)),
            num_urls=len(keys),
        )
        _write(folder, contents, keys)
    return CrawledUrls(keys)


def load_crawled(folder: Path) -> CrawledUrls:
    """The filter in `folder`, memory-mapped: processes that load it share its memory.

    Raises:
        WebtextError: there is none, or it is damaged.
    """
    try:
        return CrawledUrls(_read_keys(_bits_path(folder)))
    except (OSError, ValueError) as exc:
        raise WebtextError(
            f"{folder} holds no filter of crawled URLs that can be read: {exc}",
            hint="Run the command again: it is made anew from the manifests.",
        ) from exc


def _trusted(
    folder: Path, ended: Iterable[str], error_rate: float
) -> tuple[ScalableBloomFilter, set[str]]:
    """The filter as it lies there and the manifests in it; an empty one if it is of no use."""
    empty = ScalableBloomFilter(_INITIAL_CAPACITY, error_rate * _RATE_SHARE, _GROWTH)
    try:
        contents = _Contents.model_validate_json((folder / SIDECAR).read_bytes())
        if (contents.scheme, contents.error_rate) != (_SCHEME, error_rate):
            raise ValueError(f"it was made with {contents.scheme} and {contents.error_rate}")
        if gone := set(contents.manifests).difference(ended):
            raise ValueError(f"{len(gone)} of the folders in it are gone")
        return _read_keys(_bits_path(folder)), set(contents.manifests)
    except FileNotFoundError:
        return empty, set()
    except (OSError, ValueError, ValidationError) as exc:
        logger.warning("making the filter in %s anew: %s", folder, exc)
        return empty, set()


def _crawled_urls(pages: Path) -> Iterator[str]:
    """The canonical URLs that a finished stage "pages" has dealt with for good."""
    for shard in read_manifest(pages).shards:
        path = pages / shard.name
        if shard.kind == "rejects":
            for row in read_rows(path, ["key", "reason"]):
                if row["reason"] in SETTLED_REJECTS:
                    yield row["key"]
        elif shard.kind == "data" and shard.name.startswith("pages-"):
            for row in read_rows(path, ["url", "final_url"]):
                yield row["url"]
                if row["final_url"] != row["url"]:
                    yield from _as_link(row["final_url"])


def _as_link(address: str) -> Iterator[str]:
    try:
        yield canonical_url(address)
    except NotAPageError:  # a server may redirect to what no link is taken for
        return


def _write(folder: Path, contents: _Contents, keys: ScalableBloomFilter) -> None:
    sidecar = orjson.dumps(contents.model_dump(mode="json"), option=orjson.OPT_INDENT_2)
    bits = folder / _bits_name(sidecar)
    with atomic_path(bits) as temporary:
        with temporary.open("wb") as file:
            keys.tofile(file)
        checksum = bytes.fromhex(file_sha256(temporary))
        with temporary.open("ab") as file:
            file.write(checksum)
    write_bytes(folder / SIDECAR, sidecar)  # the moment at which the new filter takes over
    for path in folder.glob(".*bits-*"):  # also what a killed refresh left
        if path != bits:
            path.unlink()


def _bits_path(folder: Path) -> Path:
    return folder / _bits_name((folder / SIDECAR).read_bytes())


def _bits_name(sidecar: bytes) -> str:
    return f".bits-{hashlib.sha256(sidecar).hexdigest()[:16]}.bloom"


def _read_keys(path: Path) -> ScalableBloomFilter:
    """A filter in pybloom's own file format, with its bits mapped instead of read.

    The map is private: what is added to the filter is not in the file.

    Raises:
        OSError: there is no such file.
        ValueError: it is damaged.
    """
    with path.open("rb") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    content, checksum = view[:-_CHECKSUM_BYTES], view[-_CHECKSUM_BYTES:]
    if hashlib.sha256(content).digest() != checksum:
        raise ValueError(f"{path} is damaged")
    mode, ratio, capacity, error_rate, num_filters = struct.unpack_from("<idQdl", content)
    keys = ScalableBloomFilter(capacity, error_rate, mode)
    keys.ratio = ratio
    start = struct.calcsize(f"<idQdl{num_filters}Q")
    for size in struct.unpack_from(f"<{num_filters}Q", content, struct.calcsize("<idQdl")):
        keys.filters.append(_filter_in(content[start : start + size]))
        start += size
    return keys


def _filter_in(content: memoryview) -> BloomFilter:
    header_bytes = struct.calcsize(BloomFilter.FILE_FMT)
    keys = BloomFilter(1)  # replaced by what the file says
    keys._setup(*struct.unpack_from(BloomFilter.FILE_FMT, content))
    keys.bitarray = bitarray(buffer=content[header_bytes:], endian="little")
    return keys
