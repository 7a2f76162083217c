"""Small pages in small archives: what the stage "documents" reads, made by its tests."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

from corpus.schema import LINEAGE, LINKS, PAGES
from corpus.settings import Section
from corpus.stage import StageWriter
from crawler.archive.records import exchange_records
from crawler.archive.warc import Response

HTML = "text/html"
WHEN = datetime(2017, 1, 1, tzinfo=UTC)
SENTENCES = [
    "The harbour was quiet in the morning, and the boats lay still along the old stone wall.",
    "Nobody had told the keeper of the lighthouse that the ferry would not come that day.",
    "He waited until noon with his coat on, then he went back up the stairs and made some tea.",
    "From the window he could see the whole bay, and far out a single sail that did not move.",
]
MENU = "<nav><ul><li><a href='/'>Home</a></li><li><a href='/login'>Sign in now</a></li></ul></nav>"


def page(*paragraphs: str, title: str = "The  ferry\n") -> bytes:
    body = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    return (
        f"<html><head><title>{title}</title></head><body>{MENU}<article><h1>The ferry</h1>{body}"
        "</article><footer>All rights reserved, 2017</footer></body></html>"
    ).encode()


def write_stages(
    folder: Path, bodies: dict[str, bytes], truncated: frozenset[str] = frozenset()
) -> dict[str, Path]:
    """The stages "links" and "pages" over two partitions, with one page per URL.

    Of the pages at the URLs `truncated`, the archive holds the first half of the record.
    """
    inputs = {"links": folder / "links", "pages": folder / "pages"}
    links = StageWriter("links", Section(), {}, inputs["links"])
    pages = StageWriter("pages", Section(), {}, inputs["pages"])
    urls = sorted(bodies)
    for number, part in enumerate((urls[::2], urls[1::2])):
        name = f"-{number:05d}.arrow"
        # Links that could not be fetched have no page.
        known = sorted([*part, *(f"{url}x" for url in part)])
        links.write(f"links{name}", map(link_row, known), LINKS)
        offsets = write_archive(
            inputs["pages"] / f"pages-{number:05d}.warc.gz", part, bodies, truncated
        )
        warc = f"pages-{number:05d}.warc.gz"
        fetches = [
            {"url": url, "fetched_at": WHEN, "warc": warc, "offset": offset}
            for url, offset in zip(part, offsets, strict=True)
        ]
        pages.write(f"lineage{name}", fetches, LINEAGE)
        pages.write(f"pages{name}", map(page_row, part), PAGES)
    links.finish(2 * len(bodies))
    pages.finish(len(bodies))
    return inputs


def link_row(url: str) -> dict:
    row = {"url": url, "domain": "a.com", "score": len(url), "first_seen": WHEN}
    return {**row, "subreddits": ["s"], "submission_ids": [url]}


def page_row(url: str) -> dict:
    return {"url": url, "final_url": url, "status": 200, "content_type": HTML, "digest": ""}


def write_archive(
    path: Path, urls: list[str], bodies: dict[str, bytes], truncated: frozenset[str]
) -> list[int]:
    headers = [("Content-Type", HTML), ("Content-Encoding", "gzip")]
    offsets = []
    with path.open("wb") as file:
        for url in urls:
            offsets.append(file.tell())
            response = Response(200, headers, gzip.compress(bodies[url]))
            answered, asked = exchange_records(url, [], response, cut=False)
            file.write(answered[: len(answered) // 2] if url in truncated else answered)
            file.write(asked)
    return offsets
